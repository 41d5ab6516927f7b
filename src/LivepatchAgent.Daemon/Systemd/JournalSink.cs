using System.Runtime.InteropServices;
using System.Text;
using Serilog.Core;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace LivepatchAgent.Daemon.Systemd;

/// <summary>
/// Log events to journald by sd_journal_sendv(3), which has fields and levels of its own; to standard error where no
/// journal listens (a terminal, a test).
/// </summary>
internal sealed partial class JournalSink : ILogEventSink
{
    /// <summary>RenderMessage would put every string in quotes; these are sentences for people.</summary>
    private static readonly MessageTemplateTextFormatter Words = new("{Message:l}", System.Globalization.CultureInfo.InvariantCulture);

    private readonly bool _journal = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is not null && NativeLibrary.TryLoad("libsystemd.so.0", out _);

    public void Emit(LogEvent logEvent)
    {
        using var text = new StringWriter();
        Words.Format(logEvent, text);
        var message = text.ToString();
        if (logEvent.Exception is { } e) message += ": " + e;
        if (_journal && Send($"MESSAGE={message}", $"PRIORITY={Priority(logEvent.Level)}", "SYSLOG_IDENTIFIER=livepatch-agentd")) return;
        Console.Error.WriteLine($"{Kebab(logEvent.Level)}: {message}");
    }

    private static int Priority(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => 2,
        LogEventLevel.Error => 3,
        LogEventLevel.Warning => 4,
        LogEventLevel.Information => 6,
        _ => 7,
    };

    private static string Kebab(LogEventLevel level) => level.ToString().ToLowerInvariant();

    private static unsafe bool Send(params ReadOnlySpan<string> fields)
    {
        var vectors = stackalloc IoVector[fields.Length];
        var pinned = stackalloc GCHandle[fields.Length];
        try
        {
            for (var i = 0; i < fields.Length; i++)
            {
                var bytes = Encoding.UTF8.GetBytes(fields[i]);
                pinned[i] = GCHandle.Alloc(bytes, GCHandleType.Pinned);
                vectors[i] = new IoVector { Base = pinned[i].AddrOfPinnedObject(), Length = (nuint)bytes.Length };
            }

            return SendVectors(vectors, fields.Length) == 0;
        }
        finally
        {
            for (var i = 0; i < fields.Length; i++)
            {
                if (pinned[i].IsAllocated) pinned[i].Free();
            }
        }
    }

    private struct IoVector
    {
        public nint Base;
        public nuint Length;
    }

    [LibraryImport("libsystemd.so.0", EntryPoint = "sd_journal_sendv")]
    private static unsafe partial int SendVectors(IoVector* vectors, int count);
}
