import BitNetBench
import BitNetKit
import BitNetSampleModel
import BitNetTerminal
import Foundation
import Testing

/// What commands say about what was typed: in its own words, and before any work.
@Suite("Command line: messages", .enabled(if: bitnetExecutable != nil))
struct CommandLineMessageTests {
    private let model = (try? BitNetSampleModel.url.path) ?? "no sample model"

    private func parts(_ line: String) -> [String] { line.split(separator: " ").map(String.init) }

    @Test("an option of another command is said to be one, and a near name is meant")
    func unknownOptions() throws {
        for (line, words) in [
            ("chat --json", "Unknown option '--json': it is one of bitnet generate, bitnet embed"),
            ("generate --record x", "'--record': it is one of bitnet verify"),
            ("generate --temprature 1", "Did you mean '--temperature'?"),
            (
                "generate --max-token=3",
                "Unknown option '--max-token'. Did you mean '--max-tokens'?"
            ),
            ("inspect --nonsense x", "Unknown option '--nonsense'\n"),
            ("--versoin", "Unknown option '--versoin'. Did you mean '--version'?"),
            ("generate --versoin", "Did you mean '--version'?"),
            ("bench --hlep", "Did you mean '--help'?"),
            ("bench model --help-hiden", "Did you mean '--help-hidden'?"),
            ("--record x", "Unknown option '--record': it is one of bitnet verify"),
            // What is wrong with a value is said first.
            ("generate --seed=x --nonsense", "The value 'x' is invalid for '--seed"),
        ] {
            let run = try CommandLineTests.bitnet(parts(line))
            #expect(run.code == 64 && run.output.isEmpty)
            #expect(run.error.contains(words), "\(run.error)")
        }
        #expect(try !CommandLineTests.bitnet(["chat", "--json"]).error.contains("--stop"))
    }

    @Test("a text without quotation marks is told what it lacks")
    func unquoted() throws {
        for line in ["generate Once upon a time", "tokenize a cat", "inspect my model.gguf"] {
            let run = try CommandLineTests.bitnet(parts(line))
            #expect(run.code == 64 && run.error.contains("goes in quotation marks"), "\(run.error)")
        }
    }

    @Test("errors name options, not members of the library")
    func members() throws {
        let folder = try TemporaryFolder()
        try folder.write("text", "Tom ran.")
        try folder.write("schema", "{\"type\": 5}")
        try folder.write("gbnf", "root ::= [")
        let (text, long) = (folder.file("text"), String(repeating: "a cat ", count: 80))
        for (arguments, words) in [
            (
                ["generate", "a", "-c", "600"],
                "error: --context: 600 tokens are more than the model's"
            ),
            (["generate", long, "-c", "20"], "error: --context: the prompt has "),
            (["logits", "--tokens", "1,99999"], "error: --tokens: token 99999 is not in"),
            (
                ["logits", "--tokens", Array(repeating: "1", count: 600).joined(separator: ",")],
                "error: --tokens: there are 600, the context holds 512; give fewer"
            ),
            (["chat", "-c", "600"], "error: --context: 600 tokens are not in"),
            (["chat", "--sliding-window", "600"], "error: --sliding-window: 600 sinks"),
            (["generate", "a", "--logit-bias", "9999=1"], "error: --logit-bias: token 9999"),
            (["generate", "a", "-n", "-1"], "error: --max-tokens: "),
            (["generate", "a", "--speculate", "--draft", "99"], "error: --draft: "),
            (["generate", "a", "--json", "--logprobs", "9999"], "error: --logprobs: "),
            (
                ["perplexity", model, "--file", text, "-c", "600"],
                "error: --context: 600 is not in"
            ),
            (
                ["perplexity", model, "--file", text, "--stride", "600"],
                "error: --stride: 600 is not"
            ),
            (["hex", model, "output_norm.weight", "--rows", "7"], "error: --rows: 7..<8 of"),
            (["demo", "rounding", "--hidden", "0"], "error: --hidden: 0 is not in"),
            (
                ["generate", "a", "--json-schema", folder.file("schema")],
                "error: \(folder.file("schema")): #"
            ),
            (
                ["generate", "a", "--grammar", folder.file("gbnf")],
                "error: \(folder.file("gbnf")): "
            ),
            (["embed", String(repeating: long, count: 8)], "error: text 'a cat a cat "),
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect([1, 64].contains(run.code) && run.output.isEmpty)
            #expect(run.error.contains(words), "\(arguments): \(run.error)")
            #expect(!run.error.contains("grammar: "), "\(run.error)")
        }
    }

    @Test("numbers that make no shape are told which, and a named shape is the published one")
    func shapes() throws {
        for (shape, words) in [
            ("256,512,1,4,2", "has 5 numbers, not six: hidden,ffn,layers,heads,kvheads,vocab"),
            ("256,512,1,4,-2,256", "kvheads is '-2', not a whole number above 0"),
            ("256,512,0,4,2,256", "layers is '0'"), ("256,512,1,4,2,x", "vocab is 'x'"),
            ("256,51.5,1,4,2,256", "ffn is '51.5'"),
            (
                "99999999999999999999,512,1,4,2,256",
                "hidden is 99999999999999999999, more than any model has"
            ),
            ("256,512,1,4,3,256", "kvheads: 4 heads cannot"),
            ("250,512,1,5,5,256", "hidden: 250 is not a multiple of 16"),
            ("256,512,9999,4,2,256", "layers: 9999 is not in 1...1024"),
            ("256,512,1,3,1,256", "heads: 256 cannot be split into 3 heads"),
            ("3200,8640,26,128,128,32002", "heads: each would have 25 numbers: 25 is not even"),
        ] {
            for command in [
                ["plan", shape, "--no-speed"], ["demo", "layers", shape],
                ["bench", "model", "--synthetic", shape],
            ] {
                let run = try CommandLineTests.bitnet(command)
                #expect(run.code == 64 && run.output.isEmpty, "\(command)")
                #expect(run.error.contains(words), "\(command): \(run.error)")
            }
        }
        let near = try CommandLineTests.bitnet(["bench", "model", "--synthetic", "lama3-8b"])
        #expect(near.code == 64 && near.error.contains("did you mean llama3-8b?"))
        for (name, meant) in [
            ("bitnet-2b-4", "bitnet-2b-4t"), ("bitnet2b", "bitnet-2b-4t"),
            ("Falcon3_7B", "falcon3-7b"), ("llama38b", "llama3-8b"),
        ] {
            for command in [["plan", name], ["bench", "model", "--synthetic", name]] {
                let run = try CommandLineTests.bitnet(command)
                #expect([1, 64].contains(run.code) && run.output.isEmpty)
                #expect(run.error.contains("did you mean \(meant)?"), "\(run.error)")
            }
        }
        let path = try CommandLineTests.bitnet(["plan", "no/bitnet-2b-4t"])
        #expect(path.code == 1 && !path.error.contains("did you mean"))
        for (name, context, isTied) in [("Llama3-8b", 8192, false), ("bitnet-2b-4t", 4096, true)] {
            let run = try CommandLineTests.bitnet(["plan", name, "--no-speed", "--json"])
            let report = try JSONDecoder().decode(PlanReport.self, from: Data(run.output.utf8))
            #expect(report.plan.name == name && report.plan.trainedContext == context)
            #expect(report.plan.context == context && (report.plan.memory.lmHead == 0) == isTied)
        }
    }

    @Test("nothing to measure is wrong usage, not an empty table")
    func nothing() throws {
        for line in [
            "bench model -p 0 -n 0", "bench compare --with x --with-model y -p 0 -n 0",
            "bench model --repetitions 0", "bench model -t 0", "bench head --types ,",
            "bench matmul --isa ,", "bench matmul --kernels ,", "bench matmul --layout ,",
        ] {
            let run = try CommandLineTests.bitnet(parts(line))
            #expect(run.code == 64 && run.output.isEmpty, "\(line): \(run)")
            #expect(run.error.contains("Usage: bitnet bench"))
        }
    }

    @Test("files are named by their whole paths, whoever reads them")
    func paths() throws {
        let folder = try TemporaryFolder()
        try folder.write("bad", [0xFF])
        try folder.write("words", "Once upon a time")
        for (command, words) in [
            ("inspect none", "none: no such file"), ("generate a -m none", "none: no such file"),
            ("generate a --grammar none", "none: no such file"),
            ("generate a --grammar words", "words: line 1"),
            ("generate a --json-schema bad", "bad: is not UTF-8"),
            ("tokenize --lines none", "none: no such file"),
            ("tokenize --lines words", "words: line 1: is not"),
            ("perplexity \"$1\" --file none", "none: no such file"),
            ("chat --restore none", "none: no such file"),
            ("train --data none --out x", "none: no such file"),
            ("train --data words --out x --config none.json", "none.json: cannot be read"),
            ("train --data words --out x --config words", "words: not a training configuration"),
            ("convert none x.gguf", "none: no such file"), ("verify none", "none: no such file"),
        ] {
            let run = try shell(
                "cd \"$2\"; pwd; \"$0\" \(command)", model, folder.path)
            let place = run.output.trimmingCharacters(in: .newlines)
            #expect(run.code == 1 && run.errorLines.count == 1, "\(command): \(run)")
            #expect(run.error.hasPrefix("error: \(place)/\(words)"), "\(command): \(run.error)")
        }
    }

    @Test("a text or a model where the name of a command should be is told what takes it")
    func promptAlone() throws {
        for (text, word) in [
            ("Once upon a time", "'Once upon a time'"), ("Tom's \"cat\"", #"'Tom'\''s "cat"'"#),
            (String(repeating: "word ", count: 100), "TEXT"),
        ] {
            let run = try CommandLineTests.bitnet([text])
            #expect(run.code == 64 && run.output.isEmpty && run.errorLines.count == 1)
            #expect(run.error.hasSuffix("bitnet generate \(word)\n"), "\(run.error)")
        }
        let file = try CommandLineTests.bitnet([model])
        #expect(file.code == 64 && file.error.hasSuffix("bitnet generate -m \(model.shellWord)\n"))
    }
}
