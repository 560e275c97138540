import Foundation
import Testing

/// `bitnet bench compare` with scripts in the place of another engine.
@Suite("Command line: bench compare", .enabled(if: bitnetExecutable != nil))
struct BenchCompareCommandTests {
    /// Runs the command with a program that is `script`.
    private static func compare(_ script: String) throws -> (
        run: CommandLineTests.Run, asked: String
    ) {
        let folder = try TemporaryFolder()
        let asked = folder.file("asked")
        let program = try folder.write(
            "llama-bench", "#!/bin/sh\necho \"$@\" >>'\(asked)'\n\(script)\n")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: program)
        let run = try CommandLineTests.bitnet([
            "bench", "compare", "--with", program, "--with-model", "/their.gguf",
            "--with-options", "-fa 1", "--synthetic", "256,256,1,2,1,256", "-p", "8", "-n", "2",
            "--depth", "0,16", "--threads", "1", "--rounds", "1", "--json",
        ])
        return (run, (try? String(contentsOfFile: asked, encoding: .utf8)) ?? "")
    }

    private static let pp = #"{"n_prompt": 8, "n_gen": 0, "avg_ts": 4.5, "build_commit": "x"}"#
    private static let tg = #"{"n_prompt": 0, "n_gen": 2, "avg_ts": 1.5}"#

    private struct Report: Decodable {
        struct Row: Decodable {
            struct Ours: Decodable { let test: String }
            struct Speed: Decodable { let median: Double }
            let ours: Ours
            let theirs: Speed
        }
        struct Comparison: Decodable { let rows: [Row] }
        let comparisons: [Comparison]
    }

    @Test("every test gets the other program's speed, whatever it prints first or warns in between")
    func speeds() throws {
        let (run, asked) = try Self.compare(
            "echo banner; echo '['; echo 'WARNING: of 0 bytes'; echo '  \(Self.pp),'; echo; "
                + "echo '\(Self.tg)]'")
        #expect(run.code == 0, "\(run.error)")
        let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
        let rows = try #require(report.comparisons.first).rows
        #expect(rows.map(\.ours.test) == ["pp8", "tg2", "tg2@16"])
        #expect(rows.map(\.theirs.median) == [4.5, 1.5, 1.5])
        // A depth has a call of its own, and only such a call names one.
        #expect(
            asked == """
                -m /their.gguf -t 1 -r 1 -o json -p 8 -n 2 -fa 1
                -m /their.gguf -t 1 -r 1 -o json -p 0 -n 2 -d 16 -fa 1

                """)
    }

    @Test(
        "a program that does not answer as llama-bench does is an error that names it",
        arguments: [
            ("echo '[\(tg)]'", "no result for pp8"),
            ("echo hello", "no array of JSON"),
            ("echo '[{'", "no results of llama-bench"),
            ("echo one >&2; echo 'cannot load' >&2; exit 3", "code 3: cannot load"),
            ("kill -9 $$", "ended with code 9"),
        ])
    func failures(_ script: String, _ message: String) throws {
        let (run, _) = try Self.compare(script)
        #expect(run.code == 1 && run.output.isEmpty)
        let last = try #require(run.errorLines.last)
        #expect(last.hasPrefix("error: ") && last.contains("llama-bench") && last.contains(message))
    }
}
