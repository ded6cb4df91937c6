"""The province of province.py over HTTP, as the gateway speaks: JSON, pages, pull, SSE, idempotency keys."""
import http.server
import json
import re
import sys
import threading
import traceback
import urllib.parse

from province import Refused

HEARTBEAT_S = 0.2
PATH = re.compile(r'/v1/(complaints|cards|orders)/([^:/]+)(?::(\w+))?$')


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection. A bearer token is the principal's name."""
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    @property
    def province(self):
        """The world."""
        return self.server.province

    def log_message(self, *_):
        """Nothing is logged."""

    def _answer(self, status, body, **headers):
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(data)

    @property
    def principal(self):
        """Who asks."""
        return self.headers['Authorization'].removeprefix('Bearer ')

    def do_POST(self):
        """A command."""
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        is_command = self.path != '/v1/time:advance'
        trouble = self.server.trouble.pop(0) if self.server.trouble and is_command else None
        if trouble == 'before':
            self._answer(503, {'code': 'not_executed'}, Retry_After='0')
            return
        with self.province.changed:
            self.province.look_at_clock()
            status, told, replayed = self._command(body)
        if trouble == 'after':
            self.close_connection = True      # it was done, and nobody hears of it
            return
        self._answer(status, told, **({'Idempotency_Replayed': 'true'} if replayed else {}))

    def _command(self, body):
        province = self.province
        if self.path == '/v1/time:advance':
            province.advance(body['seconds'])
            return 200, {'civil_time': province.now().isoformat(), 'clocks_failing': '0'}, False
        key = (self.principal, self.headers['Idempotency-Key'])
        if key in province.keys:
            return 200, province.keys[key](), True
        try:
            status, view = self._done(body)
        except Refused as refused:
            return refused.args[0], {'code': refused.args[1]}, False
        province.keys[key] = view
        return status, view(), False

    def _done(self, body):
        province = self.province
        if self.path == '/v1/complaints':
            case = province.file(body)
            return 201, lambda: province.view(case)
        what, name, verb = PATH.match(self.path).groups()
        if what == 'complaints':
            case = province.act(name, verb, body)
            return 200, lambda: province.view(case)
        if what == 'cards':
            card = province.acknowledge(name, self.principal)
            return 200, lambda: province.view_card(card)
        order = province.order_act(name, verb, body)
        return 200, lambda: province.view_order(order)

    def do_GET(self):
        """A query, or a stream."""
        address = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(address.query))
        if address.path == '/v1/events:stream':
            self._stream(query)
            return
        with self.province.changed:
            self.province.look_at_clock()
            told = self._queried(address.path, query)
        self._answer(200, told)

    def _queried(self, path, query):
        province = self.province
        if path == '/v1/events':
            return self._pulled(query)
        if path == '/v1/complaints':
            views = [province.view(case) for case in province.complaints.values()
                     if query.get('source') in (None, case['source'])]
        elif path == '/v1/cards':
            views = [province.view_card(card) for card in province.cards.values()]
        elif path == '/v1/orders':
            views = [province.view_order(order) for order in province.orders.values()]
        else:
            return province.view(province.complaints[PATH.match(path)[2]])
        begin, size = int(query.get('page_token') or 0), int(query['page_size'])
        return {path.rpartition('/')[2]: views[begin:begin + size],
                'next_page_token': str(begin + size) if begin + size < len(views) else ''}

    def _pulled(self, query):
        log = self.province.logs[query['stream']]
        after = int(query.get('after', '0').rpartition(':')[2])
        through = min(len(log), after + int(query['limit']))
        return {'events': [event for event in log[after:through] if self.province.visible(event, self.principal)],
                'through': f'{query["stream"]}:1:{through}'}

    def _stream(self, query):
        province, stream = self.province, query['stream']
        at = int((self.headers['Last-Event-ID'] or '0').rpartition(':')[2])
        self.send_response(200)
        self.send_header('Content-Type', 'text/event-stream')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        try:
            while not self.server.over:
                with province.changed:
                    province.changed.wait_for(lambda: len(province.logs[stream]) > at, HEARTBEAT_S)
                    fresh = province.logs[stream][at:]
                    seen = [event for event in fresh if province.visible(event, self.principal)]
                at += len(fresh)
                for event in seen:
                    self._chunk(f'id: {stream}:1:{event["position"]}\nevent: {event["type"]}\n'
                                f'data: {json.dumps(event)}\n\n')
                self._chunk(f': through {stream}:1:{at}\n\n')
        except OSError:
            pass
        self.close_connection = True

    def _chunk(self, text):
        data = text.encode()
        self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        self.wfile.flush()


class Gateway(http.server.ThreadingHTTPServer):
    """Serves a province on a port of its own. `trouble`: what becomes of the next commands: before, after, None."""
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, province):
        super().__init__(('127.0.0.1', 0), Handler)
        self.province, self.over, self.trouble, self.errors = province, False, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        """Where it is."""
        return f'http://127.0.0.1:{self.server_address[1]}'

    def handle_error(self, *_):
        """Clients come and go; anything else is a fault of this file."""
        if not isinstance(sys.exception(), OSError):
            self.errors.append(traceback.format_exc())

    def close(self):
        """No more."""
        self.over = True
        self.shutdown()
        self.server_close()
