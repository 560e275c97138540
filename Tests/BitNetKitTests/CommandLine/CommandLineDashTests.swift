import Foundation
import TestSupport
import Testing

/// Values that begin with a dash, as options take them and as texts.
@Suite("Command line: dashes", .enabled(if: bitnetExecutable != nil))
struct CommandLineDashTests {
    private static let sample = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf"
    ).path
    private static let chatModel = Fixtures.url("reference/bitnet-untied/packed").path
    private static let values = [
        "-", "--", "---", "----", "- x", "-x", "-x y", "-5 degrees", "--json", "--help", "-h", "-=",
        "-=x", "--=x", "-a=b", "--a=b", "--a=", "=", "-é", "---\n", "--- x=y", "",
    ]

    private func ids(_ arguments: [String]) throws -> [Int] {
        struct Logits: Decodable {
            let tokens: [Int]
        }
        let run = try CommandLineTests.bitnet(arguments)
        #expect(run.code == 0, "\(arguments): \(run.error)")
        let data = Data(run.output.utf8)
        if let ids = try? JSONDecoder().decode([Int].self, from: data) { return ids }
        return try JSONDecoder().decode(Logits.self, from: data).tokens
    }

    @Test("a text behind -- is taken as it stands", arguments: values)
    func texts(_ value: String) throws {
        let escaped = try #require(String(data: JSONEncoder().encode(value), encoding: .utf8))
        let folder = try TemporaryFolder()
        let lines = try folder.write("lines", escaped + "\n")
        let expected = try ids(["tokenize", "--model", Self.sample, "--lines", lines])
        #expect(try ids(["tokenize", "--model", Self.sample, "--", value]) == expected)
    }

    @Test("an option takes any text, joined and separate", arguments: values)
    func options(_ value: String) throws {
        let model = ["--model", Self.sample]
        let text = try ids(["tokenize"] + model + ["--", value])
        for arguments in [["--prompt", value], ["--prompt=\(value)"]] {
            // A begin-of-text token comes first.
            let found = try ids(["logits"] + model + arguments)
            #expect(Array(found.dropFirst()) == text, "\(arguments)")
        }
        let chat = ["tokenize", "--model", Self.chatModel, "--chat"]
        let joined = try ids(chat + ["--system=\(value)", "x"])
        #expect(try ids(chat + ["--system", value, "x"]) == joined)
        guard !value.isEmpty else { return }
        for arguments in [["--stop", value], ["--stop=\(value)"]] {
            let run = try CommandLineTests.bitnet(
                ["generate", "A cat", "--max-tokens", "0"] + arguments)
            #expect(run.code == 0 && run.output == "A cat\n", "\(arguments): \(run.error)")
        }
    }

    @Test("an empty value is a value, and does not take the next argument")
    func empty() throws {
        let run = try CommandLineTests.bitnet(["generate", "--model=", "A cat"])
        #expect(run.code == 1 && run.error.contains("'': no such file"))
        let stop = try CommandLineTests.bitnet(["generate", "--stop=", "A cat"])
        #expect(stop.code == 64 && stop.error.contains("must not be empty"))
        let number = try CommandLineTests.bitnet(["generate", "--max-tokens=", "3"])
        #expect(number.code == 64 && number.error.contains("The value ''"))
    }

    @Test("a stop string with a dash stops")
    func stops() throws {
        let bias = ["--logit-bias", "14=100", "--temperature", "0", "--max-tokens", "9"]
        let free = try CommandLineTests.bitnet(["generate", "A"] + bias)
        #expect(free.output == "A---------\n")
        let stopped = try CommandLineTests.bitnet(["generate", "A"] + bias + ["--stop", "---"])
        #expect(stopped.output == "A\n" && stopped.error.contains("the stop string \"---\""))
    }

    @Test(
        "a signed number is a value, and one out of range is named as that",
        arguments: [
            (["--frequency-penalty", "-0.5"], 0), (["--frequency-penalty=-0.5"], 0),
            (["--presence-penalty", "-2"], 0), (["--logit-bias", "3=-1"], 0),
            (["--logit-bias=3=-1e3"], 0), (["--logit-bias", "3=-inf"], 0), (["--min-p", "-0"], 0),
            (["--seed", "-1"], 64), (["--top-k", "-1"], 64), (["--threads", "-1"], 64),
            (["--draft", "-1", "--speculate"], 64), (["--temperature", "-1"], 64),
            (["--max-tokens", "-1"], 64), (["--logprobs", "-1", "--json"], 64),
            (["--logit-bias", "-1=3"], 1),
        ] as [([String], Int32)])
    func numbers(_ arguments: [String], _ code: Int32) throws {
        let run = try CommandLineTests.bitnet(
            ["generate", "A cat", "--max-tokens", "1"] + arguments)
        #expect(run.code == code, "\(run.error)")
        #expect(!run.error.contains("Missing value") && !run.error.contains("Unknown option"))
    }

    @Test(
        "a text that looks like an option is refused with the way out",
        arguments: [
            ["tokenize", "--model", sample, "-5 degrees"], ["generate", "- x"], ["embed", "-x"],
            ["convert", "-in", "-out"], ["generate", "--- x"],
        ])
    func hints(_ arguments: [String]) throws {
        let run = try CommandLineTests.bitnet(arguments)
        #expect(run.code == 64 && run.error.contains("go behind --"))
        let unknown = try CommandLineTests.bitnet(["nonsense"])
        #expect(!unknown.error.contains("behind --"))
    }
}
