"""The services' own doors, over ZeroMQ with CURVE: the Python client of services/sdk in the hands of the demo."""
import sys
from datetime import datetime

import zmq
from cluster.paths import ROOT

LOOK_MS = 200
PLAIN = ('source', 'external_id', 'category', 'title', 'text', 'division', 'about_enforcement')
ENUMS = {'channel': 'channel', 'type': 'complaint_type', 'urgency': 'urgency'}


class Doors:
    """Opens a door of a running cluster for a principal; `told` gives what cluster.json says at that moment."""

    def __init__(self, build, told):
        sys.path[:0] = [str(ROOT / 'services' / 'sdk' / 'python'), str(build / 'proto' / 'python')]
        import lujian_client
        self._told = told
        self._turn = 0

        class Door(lujian_client.Door):
            """As the client's, but it looks up now and then while it waits."""

            def __init__(self, *address, look=lambda: None):
                super().__init__(*address)
                self._look = look

            def receive(self, request_id, timeout_s):
                """In short waits, so that whoever holds it is asked in between."""
                left_ms = int(timeout_s * 1000)
                while left_ms > 0:
                    self._look()
                    if self.socket.poll(min(LOOK_MS, left_ms), zmq.POLLIN):
                        return super().receive(request_id, left_ms / 1000)
                    left_ms -= LOOK_MS
                return None
        self._door = Door
        self.refused = lujian_client.Refused

    def open(self, service, credentials, look=lambda: None):
        """A door of the service's next replica."""
        replicas = self._told()['services'][service]
        self._turn += 1
        replica = replicas[self._turn % len(replicas)]
        return self._door(replica['rpc'], replica['curve_server_key'], credentials['curve_public'],
                          credentials['curve_secret'], look=look)

    def file(self, door, request, key):
        """File what POST /v1/complaints would take; the id of the complaint."""
        from lujian.complaints.v1 import complaint_pb2
        message = complaint_pb2.FileRequest(**{name: request[name] for name in PLAIN if name in request})
        for name in ENUMS:
            setattr(message, name, getattr(complaint_pb2, f'{ENUMS[name]}_{request[name]}'.upper()))
        if 'received_at' in request:
            message.received_at = round(datetime.fromisoformat(request['received_at']).timestamp() * 1000)
        if 'caller' in request:
            message.caller.CopyFrom(complaint_pb2.Caller(**request['caller']))
        return door.call('complaints.file', message, complaint_pb2.Complaint, key).id
