using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace LivepatchAgent.Daemon.Systemd;

/// <summary>
/// Log events to journald with fields and levels of their own, by its native protocol
/// (systemd.io/JOURNAL_NATIVE_PROTOCOL); to standard error where the daemon was not started by systemd. libsystemd's
/// sd_journal_sendv does the same and costs 0.3 MiB of resident library for it.
/// </summary>
internal sealed class JournalSink : ILogEventSink, IDisposable
{
    private const string JournalSocket = "/run/systemd/journal/socket";

    /// <summary>
    /// A datagram takes some 200 kB; no message of ours comes near, and an exception's trace is cut to it.
    /// </summary>
    private const int MaxMessage = 32 * 1024;

    /// <summary>Sentences for people: strings in them stand without quotes.</summary>
    private static readonly MessageTemplateTextFormatter Sentence = new("{Message:l}", CultureInfo.InvariantCulture);

    private readonly Socket? _journal = Connect();

    public void Emit(LogEvent logEvent)
    {
        using var rendered = new StringWriter(CultureInfo.InvariantCulture);
        Sentence.Format(logEvent, rendered);
        var message = rendered.ToString();
        if (logEvent.Exception is { } e) message += ": " + e;
        if (message.Length > MaxMessage) message = message[..MaxMessage];
        if (_journal is not null && Send(_journal, message, logEvent.Level)) return;
        var level = logEvent.Level.ToString().ToLowerInvariant();
        Console.Error.WriteLine($"{level}: {message}");
    }

    public void Dispose() => _journal?.Dispose();

    /// <summary>JOURNAL_STREAM is set where standard error goes to the journal (systemd.exec(5)).</summary>
    private static Socket? Connect()
    {
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM") is null) return null;
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(JournalSocket));
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
    }

    private static bool Send(Socket journal, string message, LogEventLevel level)
    {
        var text = Encoding.UTF8.GetBytes(message);
        var head = Encoding.UTF8.GetBytes($"PRIORITY={Priority(level)}\nSYSLOG_IDENTIFIER=livepatch-agentd\nMESSAGE\n");
        // A field with its length before it may hold line ends.
        var datagram = new byte[head.Length + 8 + text.Length + 1];
        head.CopyTo(datagram, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(datagram.AsSpan(head.Length), (ulong)text.Length);
        text.CopyTo(datagram, head.Length + 8);
        datagram[^1] = (byte)'\n';
        try
        {
            return journal.Send(datagram) == datagram.Length;
        }
        catch (SocketException)
        {
            return false; // journald is being restarted
        }
    }

    private static int Priority(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => 2,
        LogEventLevel.Error => 3,
        LogEventLevel.Warning => 4,
        LogEventLevel.Information => 6,
        _ => 7,
    };
}
