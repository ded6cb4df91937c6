-- An operator's decision that open clocks are to be recomputed by the calendar as of a position, also those whose date
-- was announced. It stands for ever; settled_at tells that a whole walk through the clocks found none left behind, and
-- is taken back when one turns up later.
CREATE TABLE clock_decision (
    calendar_position bigint PRIMARY KEY CHECK (calendar_position > 0),
    decided_by text NOT NULL,
    decided_at bigint NOT NULL,
    settled_at bigint
);

-- The calendar that the due date was counted by, where that is an older one than calendar_position: a notice that
-- settles a clock's next rung moves the latter alone. NULL = the same.
ALTER TABLE clock ADD COLUMN date_position bigint;
