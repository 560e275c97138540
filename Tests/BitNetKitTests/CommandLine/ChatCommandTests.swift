import Dispatch
import Foundation
import Testing

@Suite("bitnet chat and embed", .enabled(if: bitnetExecutable != nil))
struct ChatCommandTests {
    /// Runs `bitnet` with `input` as its standard input.
    private static func bitnet(
        _ arguments: [String], input: String
    ) throws -> CommandLineTests.Run {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(input.utf8).write(to: file)
        return try CommandLineTests.run(
            bitnetExecutable, arguments, input: FileHandle(forReadingFrom: file))
    }

    private static func chat(
        _ lines: [String], _ options: [String] = []
    ) throws -> CommandLineTests.Run {
        try bitnet(
            ["chat", "--temperature", "0", "--max-tokens", "6"] + options,
            input: lines.joined(separator: "\n"))
    }

    @Test("every message gets an answer, and the second one knows the first")
    func conversation() throws {
        let run = try Self.chat(["Once upon a time", " The cat"], ["--statistics"])
        #expect(run.code == 0)
        #expect(run.output.split(separator: "\n").count >= 2)
        let costs = run.error.split(separator: "\n").filter { $0.hasPrefix("prompt ") }
        #expect(
            costs.count == 2 && costs.allSatisfy { $0.contains("response 6 tokens, 5 decoded") })
        #expect(costs.map { $0.contains("of them cached") } == [false, true])
        let whole = try CommandLineTests.bitnet(
            ["generate", "Once upon a time", "--temperature", "0", "--max-tokens", "6"])
        #expect(
            "Once upon a time" + (run.output.split(separator: "\n").first ?? "") + "\n"
                == whole.output)
    }

    @Test("going back, beginning anew, copies and files give the same answers again")
    func commands() throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let run = try Self.chat([
            "A dog", " ran", "/rewind", " ran", "/fork", " and", "/branch 1", " and",
            "/save \(file.path)", " So", "/restore " + file.path, " So", "/reset", "A dog",
            "/branch",
            "/help", "/quit", "never read",
        ])
        #expect(run.code == 0)
        let answers = run.output.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(answers.count == 9)
        #expect(answers[1] == answers[2])
        #expect(answers[3] == answers[4])
        #expect(answers[5] == answers[6])
        #expect(answers[7] == answers[0])
        #expect(run.error.contains("(saved to \(file.path))"))
        #expect(run.error.contains("(copy 2 of 2, 2 turns)"))
        #expect(run.error.contains("(copy 1 of 2, 1 turn)"))
        #expect(run.error.contains("/rewind [N]"))
        let restored = try Self.chat([" So"], ["--restore", file.path])
        #expect(restored.output == answers[5] + "\n")
    }

    @Test("a conversation that was saved when it was full can be opened again")
    func fullConversation() throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let full = try Self.chat(
            ["Once upon a time", " and", "/save \(file.path)"],
            ["--max-tokens", "40", "--context", "30"])
        #expect(full.error.contains("(saved to \(file.path))"), "\(full.error)")
        let restored = try Self.chat(["/rewind", "/tokens"], ["--restore", file.path])
        #expect(restored.code == 0 && restored.error.contains("of 30 tokens"), "\(restored.error)")
    }

    @Test("an answer is given again, a file is said, instructions change, tokens are counted")
    func moreCommands() throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("A dog\n".utf8).write(to: file)
        let run = try Self.chat(
            [
                "/tokens", "/load \(file.path)", "/tokens", "/regenerate", "/tokens",
                "/system Once upon a time", "/tokens", " there was", "/system", "/rewind",
                "/system",
            ])
        #expect(run.code == 0)
        let answers = run.output.split(separator: "\n", omittingEmptySubsequences: false)
        try #require(answers.count >= 3)
        #expect(answers[0] == answers[1] && answers[2] != answers[0])
        let whole = try CommandLineTests.bitnet(
            ["generate", "A dog", "--temperature", "0", "--max-tokens", "6"])
        #expect("A dog" + answers[0] + "\n" == whole.output)
        let story = try CommandLineTests.bitnet(
            ["generate", "Once upon a time there was", "--temperature", "0", "-n", "6"])
        #expect("Once upon a time there was" + answers[2] + "\n" == story.output)
        let counts = run.error.matches(of: #/\((\d+) of 512 tokens, (\d+) left, in (\d)/#)
        #expect(counts.map(\.3) == ["0", "1", "1", "0"])
        #expect(counts.allSatisfy { (Int($0.1) ?? 0) + (Int($0.2) ?? 0) == 512 })
        #expect(counts[1].1 == counts[2].1 && Int(counts[0].1) == 0 && counts[3].1 != "0")
        #expect(run.error.ranges(of: "\nOnce upon a time\n").count == 2)
        let seeded = try Self.bitnet(
            ["chat", "--seed", "5", "--temperature", "1.5", "-n", "12"],
            input: "A cat\n/regenerate\n/regenerate\n"
        ).output.split(separator: "\n")
        #expect(Set(seeded).count > 1)
        let errors = try Self.chat(["/regenerate", "/load", "/load no/such", "/load -", "/hlep"])
        #expect(errors.code == 1 && errors.errorLines.count == 5 && errors.output.isEmpty)
        #expect(errors.error.contains("did you mean /help?"))
    }

    @Test("what cannot be meant is refused: words behind a command that takes none, no turns")
    func refused() throws {
        let commands = [
            "/fork it", "/regenerate 2", "/tokens all", "/reset now", "/clear all", "/help me",
        ]
        let run = try Self.chat(
            commands + ["/rewind", "/rewind 0", "/save -", "/restore -", "/quit now", "/quit"])
        #expect(run.code == 1 && run.output.isEmpty)
        #expect(run.errorLines.count == commands.count + 5)
        #expect(run.errorLines.allSatisfy { $0.hasPrefix("error: /") })
        #expect(run.error.contains("/fork stands alone, without 'it'"))
        #expect(run.errorLines.count { $0.contains("has no turns") } == 2)
        #expect(run.errorLines.count { $0.contains("is this conversation") } == 2)
        #expect(run.errorLines.last?.contains("/quit stands alone") == true)
        #expect(try Self.chat(["A dog", "/clear", "/tokens"]).error.contains("in 0 turns"))
    }

    @Test("a backslash and three quotes join lines to one message")
    func multipleLines() throws {
        let expected = try CommandLineTests.bitnet(
            ["generate", "A cat\nand /a\\ dog", "--temperature", "0", "--max-tokens", "6"]
        ).output.dropFirst("A cat\nand /a\\ dog".count)
        let block = try Self.chat(["", "\"\"\"", "A cat", "and /a\\ dog", "\"\"\"", ""])
        #expect(block.output == expected)
        let continued = try Self.chat(["A cat\\", "and /a\\ dog"])
        #expect(continued.output == expected)
    }

    @Test("what goes wrong is explained, the chat goes on, and the exit code says so")
    func errors() throws {
        let run = try Self.chat([
            "/fly", "/rewind 1", "/rewind x", "/branch 2", "/save", "/restore no/such/file",
            "/save no/such/folder/file", "A cat",
        ])
        #expect(run.code == 1)
        #expect(run.output.split(separator: "\n").count >= 1)
        #expect(run.errorLines.count { $0.hasPrefix("error: ") } == 7)
        #expect(run.error.contains("/fly"))
        #expect(run.error.contains("no/such/file"))
    }

    @Test("a full context is an error without a sliding window, and none with it")
    func fullContext() throws {
        let lines = Array(repeating: " The cat and the dog ran", count: 6)
        let full = try Self.chat(lines, ["--context", "40"])
        #expect(full.code == 1)
        #expect(full.error.contains("the context holds 40"))
        for way in ["/rewind", "/reset", "--context", "--sliding-window"] {
            #expect(full.error.contains(way), "\(full.error)")
        }
        #expect(!full.error.contains("shorten"))
        let long = String(repeating: "a cat ", count: 60)
        let first = try Self.chat([long], ["--context", "40"])
        #expect(first.error.contains("a shorter message or a larger --context helps"))
        let most = try Self.chat([String(repeating: long, count: 12)])
        #expect(most.error.contains("a shorter message helps"), "\(most.error)")
        let system = try Self.chat(["Hi"], ["--context", "40", "--system", long])
        #expect(system.code == 1 && system.error.hasPrefix("error: --system: it has"))
        let sliding = try Self.chat(lines, ["--context", "40", "--sliding-window", "4"])
        #expect(sliding.code == 0)
        #expect(!sliding.error.contains("error"))
    }

    @Test("/tokens counts what a window holds, beside the whole conversation, and changes nothing")
    func windowTokens() throws {
        let lines = Array(repeating: " The cat and the dog ran", count: 6)
        let options = ["--context", "40", "--sliding-window", "4"]
        let plain = try Self.chat(lines, options)
        let asking = try Self.chat(lines.flatMap { [$0, "/tokens"] }, options)
        #expect(asking.code == 0 && asking.output == plain.output)
        let counts = asking.error.matches(
            of: #/\((\d+) of 40 tokens, (\d+) left, in (\d) turns?(?:; (\d+) left out of .*)?\)/#)
        #expect(counts.map(\.3) == ["1", "2", "3", "4", "5", "6"], "\(asking.error)")
        for count in counts {
            let window = try #require(Int(count.1))
            #expect(window <= 40 && Int(count.2) == 40 - window)
        }
        let all = counts.map { (Int($0.1) ?? 0) + ($0.4.flatMap { Int($0) } ?? 0) }
        #expect(counts.first?.4 == nil && all == all.sorted() && all.last ?? 0 > 60, "\(all)")
        #expect(asking.errorLines.allSatisfy { $0.count <= 80 })
    }

    @Test("a saved conversation is not sent as a text; /exit leaves as /quit does")
    func savedAsText() throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let run = try Self.chat(
            ["A dog", "/save \(file.path)", "/load \(file.path)", "/tokens", "/exit", "never read"])
        #expect(run.code == 1 && run.output.split(separator: "\n").count == 1)
        #expect(run.error.contains("/restore \(file.path) goes on with it"), "\(run.error)")
        #expect(run.error.contains("in 1 turn)"))
        for way in ["/exit", "/quit"] {
            let left = try Self.chat(["/help", way, "never read"])
            #expect(left.code == 0 && left.output.isEmpty)
            #expect(left.error.contains("/exit") && left.error.contains("/quit, Ctrl-D"))
        }
    }

    @Test("a text may come from a pipe", .timeLimit(.minutes(5)))
    func textFromPipe() throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(mkfifo(file.path, 0o600) == 0)
        // Open for both: so neither waits for the other.
        let pipe = open(file.path, O_RDWR)
        #expect(Data("A cat sat.".utf8).withUnsafeBytes { write(pipe, $0.baseAddress, 10) } == 10)
        DispatchQueue.global().asyncAfter(deadline: .now() + 2) { close(pipe) }
        let run = try Self.chat(["/load \(file.path)", "/tokens", "/exit"])
        #expect(run.code == 0 && run.error.contains("in 1 turn)"), "\(run.error)")
    }

    @Test("wrong usage is exit code 64")
    func usage() throws {
        for arguments in [
            ["chat", "--temperature=-1"], ["chat", "--kv-cache", "f8"],
            ["chat", "--restore", "a", "--system", "b"], ["generate", "--kv-cache", "int4"],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 64, "\(arguments)")
            #expect(run.output == "")
        }
    }

    @Test("every cache precision runs", arguments: ["f32", "f16", "int8"])
    func precisions(_ name: String) throws {
        let run = try Self.chat(["A cat"], ["--kv-cache", name])
        #expect(run.code == 0)
        #expect(!run.output.isEmpty)
        let generated = try CommandLineTests.bitnet([
            "generate", "A cat", "--temperature", "0", "--max-tokens", "6", "--kv-cache", name,
        ])
        #expect(generated.output == "A cat" + run.output)
    }

    @Test("Ctrl-C stops an answer and keeps the conversation")
    func interrupt() async throws {
        let process = Process()
        let (input, output, error) = (Pipe(), Pipe(), Pipe())
        process.executableURL = bitnetExecutable
        process.arguments = [
            "chat", "--temperature", "0", "--max-tokens", "1000000", "--sliding-window", "4",
        ]
        process.standardInput = input
        process.standardOutput = output
        process.standardError = error
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data("The cat and\n".utf8))
        // The answer has begun: from here on Ctrl-C is for it alone.
        let begun = output.fileHandleForReading.availableData
        #expect(!begun.isEmpty)
        process.interrupt()
        try input.fileHandleForWriting.write(contentsOf: Data("/branch\n".utf8))
        try input.fileHandleForWriting.close()
        _ = try output.fileHandleForReading.readToEnd()
        let text = try error.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        let complaints = String(decoding: text, as: UTF8.self)
        #expect(process.terminationStatus == 0)
        #expect(complaints.contains("(stopped)"))
        #expect(complaints.contains("(copy 1 of 1, 1 turn)"))
    }

    @Test("texts and lines become vectors, one line of JSON each")
    func embed() throws {
        struct Line: Decodable {
            let text: String
            let embedding: [Float]
        }
        func lines(_ run: CommandLineTests.Run) throws -> [Line] {
            try run.output.split(separator: "\n").map {
                try JSONDecoder().decode(Line.self, from: Data($0.utf8))
            }
        }
        let arguments = try lines(CommandLineTests.bitnet(["embed", "a cat", "a \"dog\""]))
        let input = try lines(Self.bitnet(["embed"], input: "a cat\na \"dog\"\n"))
        let prompted = try lines(CommandLineTests.bitnet(["embed", "cat", "--prompt", "a "]))
        #expect(arguments.map(\.text) == ["a cat", "a \"dog\""])
        #expect(input.map(\.text) == arguments.map(\.text))
        #expect(input.map(\.embedding) == arguments.map(\.embedding))
        #expect(prompted.map(\.embedding) == [arguments[0].embedding])
        for line in arguments {
            let length = line.embedding.reduce(0) { $0 + $1 * $1 }
            #expect(line.embedding.count == 256 && abs(length - 1) < 1e-4)
        }
    }
}
