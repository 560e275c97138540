import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

@Suite("Command line: hex, plan, verify, perplexity", .enabled(if: bitnetExecutable != nil))
struct LookCommandTests {
    private let model = (try? BitNetSampleModel.url.path) ?? "no sample model"

    private func expectNarrow(_ output: String) {
        for line in output.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    }

    @Test("hex: bytes of a tensor, loose bytes, the article; JSON is what the library reads")
    func hex() throws {
        let run = try CommandLineTests.bitnet(
            ["hex", model, "blk.0.ffn_down.weight", "--rows", "1..<2", "--values"])
        #expect(run.code == 0 && run.output.contains("row 1 columns 0-127"))
        expectNarrow(run.output)
        let bytes = try CommandLineTests.bitnet(["hex", "--bytes", "4B"])
        #expect(bytes.output.contains("TQ1_0     -+0++\n"))
        #expect(bytes.output.contains("base 3    -0++-\n"))
        let article = try CommandLineTests.bitnet(["hex", "--article"])
        #expect(article.code == 0 && article.output.contains("1.0723"))
        expectNarrow(article.output)
        let json = try CommandLineTests.bitnet(
            ["hex", model, "output_norm.weight", "--json"])
        let dump = try JSONDecoder().decode(TensorDump.self, from: Data(json.output.utf8))
        #expect(
            try dump
                == TensorDump.read(URL(fileURLWithPath: model), tensor: "output_norm.weight"))
    }

    @Test("hex: what is not there is one line and exit code 1, wrong usage 64")
    func hexErrors() throws {
        for arguments in [
            ["hex", model, "no.such"], ["hex", model, "output_norm.weight", "--rows", "7"],
            ["hex", "/nowhere.gguf", "x"], ["hex", "--bytes", "4"],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 1 && run.output.isEmpty && run.errorLines.count == 1)
        }
        for arguments in [
            ["hex"], ["hex", model], ["hex", "--bytes", "4B", "--article"],
            ["hex", model, "x", "--rows", "5..<2"],
        ] {
            #expect(try CommandLineTests.bitnet(arguments).code == 64)
        }
    }

    @Test("plan: a file and a shape, in text and in JSON")
    func plan() throws {
        for name in [model, "bitnet-2b-4t"] {
            let run = try CommandLineTests.bitnet(
                ["plan", name, "--no-speed", "--context", "300", "--threads", "1"])
            #expect(run.code == 0)
            #expect(run.output.contains("300 tokens as f16"))
            expectNarrow(run.output)
            let json = try CommandLineTests.bitnet(["plan", name, "--no-speed", "--json"])
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
            #expect(object["totalBytes"] as? Int ?? 0 > 10_000_000)
            // Time decides nothing where none is measured.
            #expect((object["plan"] as? [String: Any])?["layout"] as? String == "T2")
            #expect(run.output.contains("T2 is assumed") == (name != model), "\(run.output)")
        }
        let missing = try CommandLineTests.bitnet(["plan", "no-such-shape"])
        #expect(missing.code == 1 && missing.error.contains("bitnet-2b-4t"))
    }

    @Test("verify: exit code 0 and a record, 1 for a record of another model")
    func verify() throws {
        let folder = try TemporaryFolder()
        let record = folder.file("record.json")
        let run = try CommandLineTests.bitnet(["verify", model, "--record", record])
        #expect(run.code == 0 && run.output.contains("nothing wrong was found"))
        expectNarrow(run.output)
        let again = try CommandLineTests.bitnet(
            ["verify", model, "--against", record, "--threads", "1", "--json"])
        let result = try JSONDecoder().decode(
            ModelVerification.self, from: Data(again.output.utf8))
        #expect(again.code == 0 && result[.fingerprint]?.outcome == .passed)
        let other = try CommandLineTests.bitnet(
            ["verify", TinyModel.bitnetGGUF.path, "--against", record])
        #expect(other.code == 1 && other.output.contains("1 of 10 checks failed"))
        let both = try CommandLineTests.bitnet(
            ["verify", model, "--record", record, "--against", record])
        #expect(both.code == 64)
    }

    @Test("perplexity: of a file, and against another head")
    func perplexity() throws {
        let folder = try TemporaryFolder()
        try folder.write("text.txt", [UInt8]("One day a little girl found a red ball.".utf8))
        let text = folder.file("text.txt")
        let run = try CommandLineTests.bitnet(
            ["perplexity", model, "--file", text, "--json"])
        let result = try JSONDecoder().decode(Perplexity.self, from: Data(run.output.utf8))
        #expect(run.code == 0 && result.meanLoss > 0.1 && result.meanLoss < 5)
        let against = try CommandLineTests.bitnet(
            ["perplexity", model, "--file", text, "--against-head", "q4_0"])
        #expect(against.code == 0 && against.output.contains("top token"))
        expectNarrow(against.output)
        try folder.write("empty.txt", [])
        let empty = try CommandLineTests.bitnet(
            ["perplexity", model, "--file", folder.file("empty.txt")])
        #expect(empty.code == 1 && empty.errorLines.count == 1)
    }
}
