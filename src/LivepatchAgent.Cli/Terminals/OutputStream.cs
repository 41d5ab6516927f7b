using System.Runtime.InteropServices;

namespace LivepatchAgent.Cli.Terminals;

/// <summary>
/// A descriptor that is written to and nothing else. Console's streams start a thread for signals at the first write,
/// and FileStream writes to a redirected file at an offset of its own, over what others in the same shell wrote.
/// </summary>
internal sealed partial class OutputStream(int descriptor) : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = (int)WriteTo(descriptor, buffer, (nuint)buffer.Length);
            var error = written < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error == Local.UnixStream.EINTR) continue;
            if (error != 0) throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
            buffer = buffer[written..];
        }
    }

    public override void Flush()
    {
        // nothing is held back
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteTo(int descriptor, ReadOnlySpan<byte> bytes, nuint length);
}
