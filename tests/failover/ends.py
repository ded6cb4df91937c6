"""Logs that lose their end: what is looked at before and after, and how a standby comes to lack it."""
PATIENCE_S = 60.0


def epoch(account, service='complaints'):
    """Of a service's log."""
    (found,), = account.sql(service, 'SELECT epoch FROM log_stream')
    return found


def head_of(account, service='complaints'):
    """The newest position of a service's log."""
    (found,), = account.sql(service, 'SELECT max(position) FROM event')
    return found


def place(account, reader='supervision', stream='complaints'):
    """(stopped, epoch, position) of a reader's cursor."""
    return account.sql(reader, 'SELECT stopped, epoch, position FROM consumer_cursor WHERE stream = %s', stream)[0]


def cut_off(account, service):
    """While the service goes on appending the standby ceases to be waited for, and from here on hears nothing; its URI, and
    its head."""
    pair = account.cluster.pair
    there = pair.standby.uri(database=f'lujian_{service}')
    pair.set_synchronous(False)
    account.wait_for(lambda: account.ask(there, 'SELECT synchronous FROM log_stream') == [(False,)],
                     'the standby to hear that nothing is promised any more')    # the next event notes it
    pair.cut()
    (head,), = account.ask(there, 'SELECT max(position) FROM event')
    return there, head


def wait_stopped(account, reader, stream, old):
    """Until the log is of another epoch and its reader has noticed; where the reader stands in the old one."""
    account.wait_for(lambda: epoch(account, stream) == old + 1, 'the epoch to be bumped', PATIENCE_S)
    account.wait_for(lambda: place(account, reader, stream)[0], f'{reader} to stop', PATIENCE_S)
    stopped, was, position = place(account, reader, stream)
    assert (stopped, was) == (True, old)
    return position


def wait_going(account, reader, stream):
    """Until a reader that was set going has read all there is."""
    def going():
        stopped, _, position = place(account, reader, stream)
        return not stopped and position >= head_of(account, stream)
    account.wait_for(going, f'{reader} to go on', PATIENCE_S)
