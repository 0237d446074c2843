"""Real receivers: HTTP servers that keep what they were sent."""

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep


class Receiver:
    """Answers in turn, the last one for ever: (status, headers, body)."""

    def __init__(self, *answers, delay=0.0):
        self.answers = list(answers) or [(204, {}, b"")]
        self.delay = delay
        self.requests = []
        # When each began to come, by `monotonic`.
        self.times = []
        self.in_flight = self.most_in_flight = 0
        self.lock = threading.Lock()

    def answer(self, handler):
        with self.lock:
            self.times.append(monotonic())
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        sleep(self.delay)
        with self.lock:
            self.requests.append((handler.path, dict(handler.headers.items()), body))
            self.in_flight -= 1
            status, headers, content = (
                self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            )
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    def wait_for(self, count, seconds=20.0):
        """The first `count` requests; fails when they do not come."""
        end = monotonic() + seconds
        while len(self.requests) < count:
            assert monotonic() < end, f"{len(self.requests)} of {count} requests came"
            sleep(0.01)
        return self.requests[:count]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A sender that was killed hangs up; that is what is tested."""

    request_queue_size = 256


@contextmanager
def receiving(*answers, delay=0.0, tls=None, host="127.0.0.1"):
    """A receiver; `receiver.url` is its address. `tls`: an SSL context."""
    receiver = Receiver(*answers, delay=delay)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            receiver.answer(self)

        def log_message(self, *args):
            pass

    server = _Server((host, 0), Handler)
    receiver.url = f"http://{host}:{server.server_port}/"
    if tls is not None:
        # Whoever connects and says nothing keeps his own thread waiting, not `accept`.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        receiver.url = receiver.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def talking(*chunks, pause=0.0, hold=0.0):
    """A raw TCP server that reads a request and then says these bytes, slowly."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()
    state = {"connections": 0}

    def serve():
        listener.settimeout(0.1)
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            state["connections"] += 1
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection):
        with connection:
            # The whole request: closing with unread bytes would reset the connection.
            request = b""
            while b"\r\n\r\n{}" not in request and (more := connection.recv(65536)):
                request += more
            try:
                for chunk in chunks:
                    connection.sendall(chunk)
                    if stop.wait(pause):
                        return
                stop.wait(hold)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", state
    finally:
        stop.set()
        thread.join()
        listener.close()


@contextmanager
def conversing(*answers, pause=0.1):
    """One kept connection: for each request the chunks of an answer, slowly."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            connection, _ = listener.accept()
            with connection:
                for chunks in answers:
                    connection.recv(65536)
                    for chunk in chunks:
                        connection.sendall(chunk)
                        sleep(pause)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        listener.close()
