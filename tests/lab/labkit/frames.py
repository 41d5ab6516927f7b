"""The protocol between a client, the host's supervisor and the agent inside the host (guest/lab-agent).

A frame is: stream id (4 bytes), type (1), length (4), payload. Each command is a stream of its own, so several share the one
port. A sender may have WINDOW bytes of a stream under way and goes on as the receiver says what it has consumed: no
slow reader holds up another stream and no buffer grows without bound.
"""
import struct

# to the host
WAKE, EXEC, STDIN, CREDIT, KILL, PING = range(1, 7)
# from the host
READY, STDOUT, STDERR, EXITED, CONSUMED, PONG = range(65, 71)
# between client and supervisor alone
CONTROL, REPLY, GONE = range(128, 131)

CHUNK = 32 * 1024
WINDOW = 256 * 1024
_HEADER = struct.Struct(">IBI")


def frame(stream, kind, payload=b""):
    return _HEADER.pack(stream, kind, len(payload)) + payload


def number(value):
    return struct.pack(">I", value)


def as_number(payload):
    return struct.unpack(">I", payload)[0]


class Pipe:
    """A non-blocking socket with what is still to be sent and what has come of the next frame."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.socket = sock
        self.outbound = bytearray()
        self.inbound = bytearray()

    def fileno(self):
        return self.socket.fileno()

    def send(self, stream, kind, payload=b""):
        self.outbound += frame(stream, kind, payload)
        self.flush()

    def flush(self):
        """Sends what the socket takes now; an other end that is gone shows itself in receive."""
        while self.outbound:
            try:
                sent = self.socket.send(memoryview(self.outbound)[:CHUNK * 4])
            except BlockingIOError:
                return
            except OSError:
                self.outbound.clear()
                return
            del self.outbound[:sent]

    def receive(self):
        """The frames that are complete, or None at the end of the connection."""
        try:
            data = self.socket.recv(CHUNK * 4)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self.inbound += data
        frames, at = [], 0
        while len(self.inbound) - at >= _HEADER.size:
            stream, kind, length = _HEADER.unpack_from(self.inbound, at)
            end = at + _HEADER.size + length
            if len(self.inbound) < end:
                break
            frames.append((stream, kind, bytes(self.inbound[at + _HEADER.size:end])))
            at = end
        del self.inbound[:at]
        return frames
