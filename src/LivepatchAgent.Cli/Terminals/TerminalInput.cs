using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LivepatchAgent.Cli.Terminals;

/// <summary>
/// Standard input; where it is a terminal, asked for with a prompt and not shown while it is typed. Console's stream
/// would show what is typed, and read on until Ctrl-D.
/// </summary>
internal sealed partial class TerminalInput : IDisposable
{
    private const int Descriptor = 0;
    private const int TCSANOW = 0;
    private const uint ECHO = 8;
    private readonly PosixSignalRegistration[] _signals = [];
    private readonly Termios _before;
    private readonly bool _quiet;

    private TerminalInput(string prompt, TextWriter error)
    {
        if (tcgetattr(Descriptor, out _before) != 0) return;
        var quiet = _before;
        quiet.Local &= ~ECHO;
        _quiet = tcsetattr(Descriptor, TCSANOW, in quiet) == 0;

        // Ctrl-C gives back a terminal that shows what is typed; then the signal ends the program as usual.
        PosixSignal[] ends = [PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        _signals = [.. ends.Select(signal => PosixSignalRegistration.Create(signal, _ => Restore()))];

        // Asked only now: what is typed from here on is not shown.
        error.Write(prompt);
        error.Flush();
    }

    public static byte[]? ReadLine(string prompt, TextWriter error, Func<Stream, byte[]?> read)
    {
        using var terminal = new TerminalInput(prompt, error);
        using var handle = new SafeFileHandle(Descriptor, ownsHandle: false);
        using var input = new FileStream(handle, FileAccess.Read, bufferSize: 0);
        var line = read(input);

        // The Enter was not shown either.
        if (terminal._quiet) error.WriteLine();
        return line;
    }

    public void Dispose()
    {
        foreach (var signal in _signals) signal.Dispose();
        Restore();
    }

    private void Restore()
    {
        if (_quiet) _ = tcsetattr(Descriptor, TCSANOW, in _before);
    }

    /// <summary>struct termios of glibc and musl on every port of ours.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Termios
    {
        public uint Input, Output, Control, Local;
        public Rest Others;
    }

    /// <summary>Line discipline, control characters and speeds: handed back as they came.</summary>
    [System.Runtime.CompilerServices.InlineArray(64)]
    private struct Rest
    {
        private byte _first;
    }

    [LibraryImport("libc")]
    private static partial int tcgetattr(int descriptor, out Termios termios);

    [LibraryImport("libc")]
    private static partial int tcsetattr(int descriptor, int when, in Termios termios);
}
