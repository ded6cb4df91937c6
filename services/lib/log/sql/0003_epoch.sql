-- Where each epoch began, so that an operator who rebases a reader knows how far two epochs are one log; and a stream that
-- notices when its commits begin, or cease, to wait for a standby.

-- Up to `position`, the head that was found, an epoch holds the events of the one before.
CREATE TABLE log_epoch (
    epoch    bigint NOT NULL PRIMARY KEY,
    position bigint NOT NULL
);
-- Of epochs that began before this was written down nothing is known to be common.
INSERT INTO log_epoch SELECT epoch, 0 FROM log_stream;

-- As before, but also refused where the note about a standby is not true any more: what the note promises a failover
-- must hold. Taking it back or giving it is opening the stream anew.
CREATE OR REPLACE FUNCTION log_append(ids uuid[], types text[], subjects text[], divisions text[], audiences text[],
                                      enforcement boolean[], correlations text[], traceparents text[], times bigint[],
                                      datas bytea[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head bigint;
BEGIN
    PERFORM FROM log_stream WHERE timeline = log_timeline() AND synchronous = log_synchronous();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the stream is not open on this timeline' USING ERRCODE = 'LJ001';
    END IF;
    PERFORM pg_advisory_xact_lock(19530, 2);
    SELECT coalesce(max(position), 0) INTO head FROM event;
    INSERT INTO event (position, time, event_id, about_enforcement, type, subject, division, audience, correlation,
                       traceparent, data)
    SELECT head + e.ordinality, e.time, e.id, e.enforcement, e.type, e.subject, e.division, e.audience, e.correlation,
           e.traceparent, e.data
      FROM unnest(ids, types, subjects, divisions, audiences, enforcement, correlations, traceparents, times, datas)
           WITH ORDINALITY
           AS e(id, type, subject, division, audience, enforcement, correlation, traceparent, time, data, ordinality);
    RETURN head + cardinality(ids);
END
$$;

-- As before; where the epoch is bumped the head is written down.
CREATE OR REPLACE FUNCTION log_open(wanted text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    opened log_stream%ROWTYPE;
    here   text := log_timeline();
    place_ text := log_place();
    strict_ boolean := log_synchronous();
    lost   boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(19530, 2);
    SELECT s.* INTO opened FROM log_stream s;
    IF NOT FOUND AND wanted = '' THEN
        RAISE EXCEPTION 'the stream was never opened' USING ERRCODE = 'LJ003';
    ELSIF NOT FOUND THEN
        INSERT INTO log_stream (stream, epoch, timeline, place, synchronous) VALUES (wanted, 1, here, place_, strict_);
        INSERT INTO log_epoch VALUES (1, 0);
        RETURN 1;
    END IF;
    IF wanted <> '' AND opened.stream <> wanted THEN
        RAISE EXCEPTION 'this database holds the stream %, not %', opened.stream, wanted USING ERRCODE = 'LJ002';
    END IF;
    lost := opened.place <> place_ OR (opened.timeline <> here AND NOT (opened.synchronous AND strict_));
    IF lost OR opened.timeline <> here OR opened.synchronous <> strict_ THEN
        UPDATE log_stream
           SET epoch = epoch + lost::int, timeline = here, place = place_, synchronous = strict_
        RETURNING epoch INTO opened.epoch;
    END IF;
    IF lost THEN
        INSERT INTO log_epoch SELECT opened.epoch, coalesce(max(position), 0) FROM event;
    END IF;
    RETURN opened.epoch;
END
$$;
