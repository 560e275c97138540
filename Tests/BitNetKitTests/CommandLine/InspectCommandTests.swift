import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

@Suite("Command line: inspect", .enabled(if: bitnetExecutable != nil))
struct InspectCommandTests {
    private let model = (try? BitNetSampleModel.url.path) ?? "no sample model"

    @Test("the report of a model fits 80 columns, but for its path and warnings")
    func report() throws {
        let run = try CommandLineTests.bitnet(["inspect", model, "--tensors"])
        #expect(run.code == 0 && run.error.isEmpty)
        let lines = run.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("graph     bitnet: relu2") })
        #expect(lines.contains { $0.hasPrefix("blk.5.ffn_down.weight") })
        for line in lines where !line.hasPrefix("file") && !line.hasPrefix("warning") {
            #expect(line.count <= 80, "\(line)")
        }
    }

    @Test("JSON is what the library finds")
    func json() throws {
        let run = try CommandLineTests.bitnet(["inspect", model, "--json"])
        #expect(run.code == 0)
        let found = try JSONDecoder().decode(ModelInspection.self, from: Data(run.output.utf8))
        #expect(try found == ModelInspection.inspect(URL(fileURLWithPath: model)))
    }

    @Test("a file that is not there is one line and exit code 1")
    func missing() throws {
        let run = try CommandLineTests.bitnet(["inspect", "/nowhere/model.gguf"])
        #expect(run.code == 1 && run.output.isEmpty && run.errorLines.count == 1)
    }

    @Test("a matrix that cannot be read is exit code 1, and the rest is printed")
    func damaged() throws {
        let folder = try TemporaryFolder()
        var file = try EditableGGUF(TinyModel.bitnetGGUF)
        file[tensor: "blk.0.ffn_up.weight"].bytes[5] = 0xFF
        let run = try CommandLineTests.bitnet(["inspect", try file.write(to: folder).path])
        #expect(run.code == 1 && run.output.contains("ternary   "))
    }

    @Test("a norm that is not finite is a warning here, and a failure of verify")
    func damagedNorm() throws {
        let folder = try TemporaryFolder()
        var file = try EditableGGUF(TinyModel.bitnetGGUF)
        let norm = "blk.0.attn_norm.weight"
        file[tensor: norm].bytes.replaceSubrange(4..<8, with: floatBytes([.nan]))
        let path = try file.write(to: folder).path
        let run = try CommandLineTests.bitnet(["inspect", path])
        #expect(run.code == 0 && run.output.contains("ternary   "))
        let warnings = run.output.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
        #expect(warnings.count { $0.contains(norm) && $0.contains("nan") } == 1)
        let verified = try CommandLineTests.bitnet(["verify", path])
        #expect(verified.code == 1 && verified.output.contains("values      failed"))
    }

    @Test("the plot has a bar for every kind, layer and matrix, and its numbers")
    func plot() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("plot.svg")
        let run = try CommandLineTests.bitnet(["inspect", model, "--plot", path])
        #expect(run.code == 0)
        let text = try String(contentsOf: URL(fileURLWithPath: path), encoding: .utf8)
        for part in ["<svg", "by kind", "by layer", "mlp.down_proj", "layer 5"] {
            #expect(text.contains(part), "\(part)")
        }
        #expect(try Picture(text).outside.isEmpty)
    }
}
