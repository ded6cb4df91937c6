-- The log of a service: events at contiguous positions in commit order, and the stream that they make.

-- It has its primary key and nothing else: no other index, foreign key, trigger or deferred constraint. log_append
-- holds the log's lock while it writes here, and nothing may make it wait.
CREATE TABLE event (
    position          bigint  NOT NULL PRIMARY KEY,
    time              bigint  NOT NULL, -- civil, milliseconds since 1970
    event_id          uuid    NOT NULL,
    about_enforcement boolean NOT NULL,
    type              text    NOT NULL,
    subject           text    NOT NULL,
    division          text    NOT NULL, -- '' = the whole province's
    audience          text    NOT NULL, -- '' = none
    correlation       text    NOT NULL,
    traceparent       text    NOT NULL,
    data              bytea   NOT NULL  -- the message that the type names, encoded
);

-- One row: which stream this database holds, and how far its positions can be believed.
CREATE TABLE log_stream (
    lone            boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (lone),
    stream          text    NOT NULL,
    epoch           bigint  NOT NULL,
    timeline        text    NOT NULL, -- the write-ahead log's, when the stream was last opened
    place           text    NOT NULL, -- the server's identity and the database's: a restore changes it
    synchronous     boolean NOT NULL, -- commits waited for a standby then
    civil_offset_ms bigint  NOT NULL DEFAULT 0
);

CREATE FUNCTION log_timeline() RETURNS text
    LANGUAGE sql VOLATILE AS $$
    SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
$$;

CREATE FUNCTION log_place() RETURNS text
    LANGUAGE sql VOLATILE AS $$
    SELECT (SELECT system_identifier FROM pg_control_system())
           || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- Every commit that was told as done is on a standby too.
CREATE FUNCTION log_synchronous() RETURNS boolean
    LANGUAGE sql VOLATILE AS $$
    SELECT current_setting('synchronous_standby_names') <> ''
           AND current_setting('synchronous_commit') IN ('on', 'remote_apply')
$$;

-- The last statement of a transaction, in one message with its COMMIT; returns the newest position. The lock is held
-- until the commit is durable and visible, so the next holder's snapshot, which is taken after the lock, sees all
-- positions that were given: they are contiguous and in commit order. On a timeline that the stream was not opened on
-- nothing is appended: positions that a failover lost would be given again under the same epoch.
CREATE FUNCTION log_append(ids uuid[], types text[], subjects text[], divisions text[], audiences text[],
                           enforcement boolean[], correlations text[], traceparents text[], times bigint[],
                           datas bytea[]) RETURNS bigint
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head bigint;
BEGIN
    PERFORM FROM log_stream WHERE timeline = log_timeline();
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

-- Opens the stream where it stands now and returns its epoch. The epoch is kept when nothing that was told as done
-- can have been lost: on the same timeline of the same database, or on another timeline of the same server after a
-- failover between strictly synchronous servers. Otherwise it is bumped. '' = whichever stream this database holds.
CREATE FUNCTION log_open(wanted text) RETURNS bigint
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
    RETURN opened.epoch;
END
$$;
