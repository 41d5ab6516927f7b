using LivepatchAgent.Core;
using LivepatchAgent.Core.Wire;
using LivepatchAgent.Server.Model;

namespace LivepatchAgent.Server.Storage;

internal static class MachineTable
{
    /// <summary>A machine's older outcomes are forgotten; a host reports each of them within days.</summary>
    private const int MaxOutcomes = 1000;

    /// <summary>The machine that an enrolment made; an empty list when it made none.</summary>
    public static List<EnrolledMachine> FindEnrolment(Session db, string enrolmentId) => db.Query(
        "SELECT id, credential_sha256, token_id, revoked_at IS NOT NULL FROM machines WHERE enrolment_id = $id",
        row => new EnrolledMachine(row.GetString(0), row.GetString(1), row.GetString(2), row.GetBoolean(3)),
        ("$id", enrolmentId));

    public static int Insert(
        Session db, string id, EnrolmentRequest request, string tokenId, DateTimeOffset now) => db.Run(
        """
        INSERT INTO machines (id, enrolment_id, token_id, credential_sha256, enrolled_at,
            hostname, kernel_release, architecture, operating_system, agent_version, boot_id)
        VALUES ($id, $enrolment, $token, $credential, $now, $hostname, $release, $architecture, $os, $agent, $boot)
        """,
        [("$id", id), ("$enrolment", request.EnrolmentId), ("$token", tokenId),
            ("$credential", request.CredentialSha256), ("$now", now), .. Facts(request.Machine)]);

    public static MachineCredential? FindCredential(Session db, string id) => db.Query(
        "SELECT credential_sha256, revoked_at IS NOT NULL FROM machines WHERE id = $id",
        row => new MachineCredential(row.GetString(0), row.GetBoolean(1)), ("$id", id)).FirstOrDefault();

    /// <summary>Keeps what a check-in said. True, always: a value for the queue.</summary>
    public static bool Record(Session db, string id, CheckInRequest request, DateTimeOffset now)
    {
        var report = request.Report;
        db.Run(
            """
            UPDATE machines SET hostname = $hostname, kernel_release = $release, architecture = $architecture,
                operating_system = $os, agent_version = $agent, boot_id = $boot, last_check_in = $now,
                state = $state, manifest = $manifest, version = $version, taint = $taint, held = $held,
                problem_code = $code, problem_message = $message, problem_cure = $cure
            WHERE id = $id
            """,
            [("$id", id), ("$now", now), .. Facts(request.Machine),
                ("$state", Kebab.Of(report.State)), ("$manifest", report.ManifestDigest), ("$version", report.Version),
                ("$taint", report.Taint), ("$held", report.Held == true), .. Fault(report.Problem)]);
        foreach (var outcome in request.Outcomes)
        {
            db.Run(
                """
                INSERT INTO outcomes (machine_id, id, at, received_at, kind, manifest,
                    problem_code, problem_message, problem_cure)
                VALUES ($machine, $id, $at, $now, $kind, $manifest, $code, $message, $cure) ON CONFLICT DO NOTHING
                """,
                [("$machine", id), ("$id", outcome.Id), ("$at", outcome.At), ("$now", now),
                    ("$kind", Kebab.Of(outcome.Kind)), ("$manifest", outcome.ManifestDigest),
                    .. Fault(outcome.Problem)]);
        }

        if (request.Outcomes.Count > 0) Forget(db, id);
        return true;
    }

    /// <summary>Ids and kinds, oldest first.</summary>
    public static List<(string Id, string Kind)> Outcomes(Session db, string machineId) => db.Query(
        "SELECT id, kind FROM outcomes WHERE machine_id = $machine ORDER BY received_at, rowid",
        row => (row.GetString(0), row.GetString(1)), ("$machine", machineId));

    public static List<MachineRow> All(Session db) => db.Query(
        """
        SELECT id, hostname, kernel_release, architecture, operating_system, agent_version, enrolled_at, revoked_at,
            last_check_in, state, manifest, version, problem_code, problem_message, held
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
            ManifestDigest = row.TextOrNull(10),
            Version = row.TextOrNull(11),
            ProblemCode = row.TextOrNull(12),
            ProblemMessage = row.TextOrNull(13),
            Held = row.GetBoolean(14),
        });

    /// <summary>False when no machine has that id. Revoking twice keeps the first time.</summary>
    public static bool Revoke(Session db, string id, DateTimeOffset now) =>
        db.Run(
            "UPDATE machines SET revoked_at = coalesce(revoked_at, $now) WHERE id = $id",
            ("$id", id),
            ("$now", now)) > 0;

    private static void Forget(Session db, string machineId) => db.Run(
        """
        DELETE FROM outcomes WHERE machine_id = $machine AND rowid NOT IN
            (SELECT rowid FROM outcomes WHERE machine_id = $machine ORDER BY received_at DESC, rowid DESC LIMIT $max)
        """,
        ("$machine", machineId), ("$max", MaxOutcomes));

    private static (string, object?)[] Facts(MachineFacts machine) =>
    [
        ("$hostname", machine.Hostname), ("$release", machine.KernelRelease), ("$architecture", machine.Architecture),
        ("$os", machine.OperatingSystem), ("$agent", machine.AgentVersion), ("$boot", machine.BootId),
    ];

    private static (string, object?)[] Fault(Problem? problem) =>
    [
        ("$code", problem is null ? null : Kebab.Of(problem.Code)),
        ("$message", problem?.Message),
        ("$cure", problem?.Cure),
    ];
}
