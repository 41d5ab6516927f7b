using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using Microsoft.Data.Sqlite;

namespace LivepatchAgent.Server.Storage;

/// <summary>A machine as people list it.</summary>
internal sealed record MachineRow
{
    public required string Id { get; init; }

    public required string Hostname { get; init; }

    public required string KernelRelease { get; init; }

    public required string Architecture { get; init; }

    public required string OperatingSystem { get; init; }

    public required string AgentVersion { get; init; }

    public required DateTimeOffset EnrolledAt { get; init; }

    public DateTimeOffset? RevokedAt { get; init; }

    public DateTimeOffset? LastCheckIn { get; init; }

    /// <summary>The word of <see cref="PatchState"/>; null before the first check-in.</summary>
    public string? State { get; init; }

    public string? Manifest { get; init; }

    public string? Version { get; init; }

    public string? ProblemCode { get; init; }

    public string? ProblemMessage { get; init; }
}

/// <summary>What decides whether a call comes from a machine.</summary>
internal sealed record MachineCredential(string Sha256, bool Revoked);

internal static class MachineTable
{
    /// <summary>Older outcomes of a machine are forgotten; a host tells each within days.</summary>
    private const int MaxOutcomes = 1000;

    public static List<(string Id, string CredentialSha256, string TokenId, bool Revoked)> FindEnrolment(SqliteConnection db, string enrolmentId) => db.Query(
        "SELECT id, credential_sha256, token_id, revoked_at IS NOT NULL FROM machines WHERE enrolment_id = $id",
        row => (row.GetString(0), row.GetString(1), row.GetString(2), row.GetBoolean(3)), ("$id", enrolmentId));

    public static void Insert(SqliteConnection db, string id, EnrolmentRequest request, string tokenId, DateTimeOffset now) => db.Run("""
        INSERT INTO machines (id, enrolment_id, token_id, credential_sha256, enrolled_at, hostname, kernel_release, architecture, operating_system, agent_version, boot_id)
        VALUES ($id, $enrolment, $token, $credential, $now, $hostname, $release, $architecture, $os, $agent, $boot)
        """,
        ("$id", id), ("$enrolment", request.EnrolmentId), ("$token", tokenId), ("$credential", request.CredentialSha256), ("$now", now),
        ("$hostname", request.Machine.Hostname), ("$release", request.Machine.KernelRelease), ("$architecture", request.Machine.Architecture),
        ("$os", request.Machine.OperatingSystem), ("$agent", request.Machine.AgentVersion), ("$boot", request.Machine.BootId));

    public static MachineCredential? FindCredential(SqliteConnection db, string id) => db.Query(
        "SELECT credential_sha256, revoked_at IS NOT NULL FROM machines WHERE id = $id",
        row => new MachineCredential(row.GetString(0), row.GetBoolean(1)), ("$id", id)).FirstOrDefault();

    /// <summary>Keeps what a check-in said. True, always: a value for the queue.</summary>
    public static bool Record(SqliteConnection db, string id, CheckInRequest request, DateTimeOffset now)
    {
        var (machine, report) = (request.Machine, request.Report);
        db.Run("""
            UPDATE machines SET hostname = $hostname, kernel_release = $release, architecture = $architecture, operating_system = $os,
                agent_version = $agent, boot_id = $boot, last_check_in = $now, state = $state, manifest = $manifest, version = $version,
                taint = $taint, problem_code = $code, problem_message = $message, problem_cure = $cure
            WHERE id = $id
            """,
            ("$id", id), ("$now", now), ("$hostname", machine.Hostname), ("$release", machine.KernelRelease), ("$architecture", machine.Architecture),
            ("$os", machine.OperatingSystem), ("$agent", machine.AgentVersion), ("$boot", machine.BootId), ("$state", Kebab.Of(report.State)),
            ("$manifest", report.Manifest), ("$version", report.Version), ("$taint", report.Taint),
            ("$code", Code(report.Problem)), ("$message", report.Problem?.Message), ("$cure", report.Problem?.Cure));
        foreach (var outcome in request.Outcomes)
        {
            db.Run("""
                INSERT INTO outcomes (machine_id, id, at, received_at, kind, manifest, problem_code, problem_message, problem_cure)
                VALUES ($machine, $id, $at, $now, $kind, $manifest, $code, $message, $cure) ON CONFLICT DO NOTHING
                """,
                ("$machine", id), ("$id", outcome.Id), ("$at", outcome.At), ("$now", now), ("$kind", Kebab.Of(outcome.Kind)), ("$manifest", outcome.Manifest),
                ("$code", Code(outcome.Problem)), ("$message", outcome.Problem?.Message), ("$cure", outcome.Problem?.Cure));
        }

        if (request.Outcomes.Count > 0) Forget(db, id);
        return true;
    }

    /// <summary>Ids and kinds, oldest first.</summary>
    public static List<(string Id, string Kind)> Outcomes(SqliteConnection db, string machineId) => db.Query(
        "SELECT id, kind FROM outcomes WHERE machine_id = $machine ORDER BY received_at, rowid", row => (row.GetString(0), row.GetString(1)), ("$machine", machineId));

    public static List<MachineRow> All(SqliteConnection db) => db.Query("""
        SELECT id, hostname, kernel_release, architecture, operating_system, agent_version, enrolled_at, revoked_at, last_check_in,
            state, manifest, version, problem_code, problem_message
        FROM machines ORDER BY hostname, enrolled_at, id
        """,
        row => new MachineRow
        {
            Id = row.GetString(0),
            Hostname = row.GetString(1),
            KernelRelease = row.GetString(2),
            Architecture = row.GetString(3),
            OperatingSystem = row.GetString(4),
            AgentVersion = row.GetString(5),
            EnrolledAt = row.Time(6),
            RevokedAt = row.TimeOrNull(7),
            LastCheckIn = row.TimeOrNull(8),
            State = row.TextOrNull(9),
            Manifest = row.TextOrNull(10),
            Version = row.TextOrNull(11),
            ProblemCode = row.TextOrNull(12),
            ProblemMessage = row.TextOrNull(13),
        });

    public static bool Revoke(SqliteConnection db, string id, DateTimeOffset now) =>
        db.Run("UPDATE machines SET revoked_at = coalesce(revoked_at, $now) WHERE id = $id", ("$id", id), ("$now", now)) > 0;

    private static void Forget(SqliteConnection db, string machineId) => db.Run("""
        DELETE FROM outcomes WHERE machine_id = $machine AND rowid NOT IN
            (SELECT rowid FROM outcomes WHERE machine_id = $machine ORDER BY received_at DESC, rowid DESC LIMIT $max)
        """,
        ("$machine", machineId), ("$max", MaxOutcomes));

    private static string? Code(Problem? problem) => problem is null ? null : Kebab.Of(problem.Code);
}
