"""A camera that speaks RTSP over TCP and sends an MPEG-TS, as RFC 2326 and RFC 2250 say."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=yard\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:a\r\n"
)


class _Camera(socketserver.StreamRequestHandler):
    content: bytes
    methods: list[str]
    ends: bool
    closing: threading.Event

    def handle(self) -> None:
        while request := self.rfile.readline():
            method = request.split()[0].decode()
            self.methods.append(method)
            heads = {}
            while line := self.rfile.readline().strip().decode():
                name, _, value = line.partition(":")
                heads[name.lower()] = value.strip()
            more, body = "Session: 7\r\n", ""
            if method == "OPTIONS":
                more += "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
            elif method == "DESCRIBE":
                more, body = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n", SDP
            elif method == "SETUP":
                more += f"Transport: {heads['transport']}\r\n"
            answer = f"RTSP/1.0 200 OK\r\nCSeq: {heads['cseq']}\r\n{more}\r\n{body}"
            self.wfile.write(answer.encode())
            if method == "PLAY":
                self._play()
                return

    def _play(self) -> None:
        for number, first in enumerate(range(0, len(self.content), 7 * 188)):
            packet = struct.pack("!BBHII", 0x80, 33, number, 900 * number, 7)
            packet += self.content[first : first + 7 * 188]
            self.wfile.write(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
        if not self.ends:
            self.closing.wait(20)


@contextmanager
def rtsp_camera(content: bytes, *, ends: bool = True) -> Iterator[tuple[str, list[str]]]:
    """Run a camera, and yield its address and the methods that it was asked for."""
    about = {"content": content, "methods": [], "ends": ends, "closing": threading.Event()}
    kind = type("Camera", (_Camera,), about)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"rtsp://someone:secret@127.0.0.1:{server.server_address[1]}/yard", kind.methods
        finally:
            about["closing"].set()
            server.shutdown()
            thread.join()
