import BitNetSampleModel
import Foundation
import TestSupport
import Testing

/// What every command prints with `--json`, against the schema that documents it.
@Suite("Command line: JSON", .enabled(if: bitnetExecutable != nil), .timeLimit(.minutes(10)))
struct CommandLineJSONTests {
    private static let model = (try? BitNetSampleModel.url.path) ?? "no sample model"
    private static let folder = Fixtures.url("reference/bitnet-untied/packed").path
    private static let shape = "256,256,1,2,1,256"

    /// Calls of each command, by the name of its schema; `$OUT` is an empty folder with a text file,
    /// and with a program that answers as llama-bench does.
    private static let calls: [String: [String]] = [
        "generate": [
            "Hi -n 2 --json", "Hi -n 2 --json --temperature 0 --logprobs 2 --statistics",
            "Hi -n 0 --json --seed 18446744073709551615",
        ],
        "embed": ["a b --json"], "tokenize": ["a", "a --json", "--decode [4,5]"],
        "logits": ["--tokens 1,2", "--tokens 1,2 --all-positions --json"],
        "convert": ["\(model) $OUT/a.gguf --json", "\(folder) $OUT/b.gguf --json"],
        "inspect": ["\(model) --json", "\(folder) --json"],
        "hex": [
            "\(model) output_norm.weight --json", "\(model) blk.0.ffn_down.weight --json",
            "\(folder) model.layers.0.mlp.up_proj.weight --json", "--bytes 4BFF00 --json",
            "--article --json",
        ],
        "plan": [
            "\(model) --no-speed --json", "bitnet-2b-4t --json",
            "llama-70b --no-speed --context 8000000 --json",
        ],
        "verify": ["\(model) --json", "\(folder) --json"],
        "perplexity": [
            "\(model) --file $OUT/text --json",
            "\(model) --file $OUT/text --against-head q4_0 --json",
        ],
        "train": ["--data $OUT/text --out $OUT/trained --config tiny --steps 1 --json"],
        "bench-matmul": [
            "--rows 64 --columns 64 --kernels scalar,own --placement cache --json",
            "--rows 64 --columns 64 --zero-share 0.5 --json",
        ],
        "bench-model": [
            "-p 4 -n 2 --repetitions 1 --json",
            "--synthetic \(shape) -p 4 -n 2 --repetitions 1 --json",
        ],
        "bench-compare": [
            "--with $OUT/llama-bench --with-model x --synthetic \(shape) -p 8 -n 2 -t 1 --rounds 1 "
                + "--json"
        ],
        "bench-head": ["--rows 64 --columns 16 --states 1 --types f16 --json"],
        "bench-sparsity": [
            "--synthetic 64,96,1,1,1,32 --zero-share 0,0.9 --repetitions 1 --json"
        ],
        "demo-rounding": ["--json"], "demo-width": ["--json"], "demo-zeros": ["--size 64 --json"],
        "demo-layers": ["\(shape) --layers 1 --json"], "doctor": ["--json"],
    ]

    private static let text = String(
        repeating: "Tom ran to the red ball. The cat sat down.\n<|endoftext|>\n", count: 60)

    private static func schema(_ name: String) throws -> JSONSchemaCheck {
        try JSONSchemaCheck(Data(contentsOf: Fixtures.url("schemas/\(name).json")))
    }

    @Test("every line that a command prints fits its schema", arguments: calls.keys.sorted())
    func schemas(_ name: String) throws {
        let schema = try Self.schema(name)
        let out = try TemporaryFolder()
        try out.write("text", Self.text)
        let program = try out.write(
            "llama-bench",
            """
            #!/bin/sh
            echo '[{"n_prompt": 8, "n_gen": 0, "avg_ts": 4.5}, {"n_prompt": 0, "n_gen": 2, "avg_ts": 1}]'
            """)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        for call in Self.calls[name] ?? [] {
            let arguments =
                name.split(separator: "-").map(String.init)
                + call.split(separator: " ").map {
                    $0.replacingOccurrences(of: "$OUT", with: out.path)
                }
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 0 || name == "verify", "\(call): \(run.error)")
            let lines = run.output.split(separator: "\n")
            #expect(!lines.isEmpty)
            for line in lines {
                let problem = schema.problem(in: String(line))
                #expect(problem == nil, "bitnet \(arguments.joined(separator: " "))")
            }
        }
    }

    @Test("every command but the conversation and the manual has a schema")
    func everyCommand() throws {
        let others: Set = ["", "bench", "demo", "chat", "manual"]
        let names = Set(CommandLineUsageTests.commands).subtracting(others)
            .map { $0.replacingOccurrences(of: " ", with: "-") }
        #expect(Set(names) == Set(Self.calls.keys))
        let files = try FileManager.default.contentsOfDirectory(
            atPath: Fixtures.url("schemas").path)
        #expect(Set(files) == Set(names.map { $0 + ".json" }))
        for file in files {
            let text = try String(contentsOf: Fixtures.url("schemas/\(file)"), encoding: .utf8)
            #expect(!text.contains(#""_0""#), "\(file) has a member without a name")
        }
        for command in CommandLineUsageTests.commands where !others.contains(command) {
            let help = try CommandLineTests.bitnet(
                command.split(separator: " ").map(String.init) + ["--help"])
            #expect(help.output.contains("  --json "), "\(command)")
        }
    }

    @Test(
        "the check finds what differs",
        arguments: [
            (#"{"text":"a"}"#, "'embedding' is missing"),
            (#"{"text":1,"embedding":[]}"#, "$.text"), (#"{"text":"","embedding":[""]}"#, "[0]"),
            (#"{"text":"","embedding":[],"x":1}"#, "$.x is not in the schema"),
            ("[]", "not object"),
            ("{", "malformed"),
        ])
    func differences(_ text: String, _ words: String) throws {
        let problem = try Self.schema("embed").problem(in: text)
        #expect(problem?.contains(words) == true || words == "malformed" && problem != nil)
        #expect(throws: (any Error).self) { try JSONSchemaCheck(#"{"typ": "object"}"#.utf8) }
        let ids = try Self.schema("tokenize")
        #expect(ids.problem(in: "[1, 2]") == nil && ids.problem(in: "[1.5]") != nil)
        #expect(ids.problem(in: "[true]") != nil && ids.problem(in: "\"a\"") == nil)
    }
}
