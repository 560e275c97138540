import BitNetBench
import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetFiles

/// What measures and reports: `bench`, `doctor`, and the JSON of `convert` and `generate`.
@Suite("Command line: measurements", .enabled(if: bitnetExecutable != nil))
struct BenchCommandTests {
    /// Large enough that few copies fill the memory which streaming goes through.
    private let small = ["bench", "matmul", "--rows", "512", "--columns", "640"]
    private let model = (try? BitNetSampleModel.url.path) ?? "no sample model"

    private struct Report: Decodable {
        let rows: [MatmulBenchmark.Row]
        let limits: [MachineLimits]
    }

    private func report(_ arguments: [String]) throws -> Report {
        let run = try CommandLineTests.bitnet(small + arguments + ["--json"])
        #expect(run.code == 0, "\(run.error)")
        return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
    }

    @Test("filters leave the rows that they name")
    func filters() throws {
        let set = KernelSet.best.name
        let some = try report(["--isa", set, "--layout", "T5,t2", "--placement", "cache"])
        let ternary = some.rows.filter { $0.layout != nil }
        #expect(ternary.map(\.kernel) == ["\(set) T5", "\(set) T2"])
        #expect(some.rows.first?.kernel == "own FP16" && ternary.allSatisfy { $0.speedup != nil })
        let named = try report(
            ["--kernels", "scalar t2, own", "--threads", "1,2", "--placement", "stream"])
        #expect(
            named.rows.map(\.kernel) == ["own FP16", "scalar T2", "own FP16", "scalar T2"])
        #expect(named.rows.map(\.threads) == [1, 1, 2, 2])
        #expect(named.rows.allSatisfy { $0.placement == .stream })
        #expect(named.limits.map(\.threads) == [1, 2])
    }

    @Test(
        "a filter that nothing fits is wrong usage and says what there is",
        arguments: [
            (["--isa", "mmx"], "scalar"), (["--layout", "t7"], "t5"),
            (["--kernels", "nothing"], "own FP16"), (["--placement", "disk"], "stream"),
            (["--zero-share", "0.5", "--plot", "f.svg"], "--zero-share"),
        ])
    func oddFilters(_ arguments: [String], _ hint: String) throws {
        let run = try CommandLineTests.bitnet(small + arguments)
        #expect(run.code == 64 && run.output.isEmpty && run.error.contains(hint))
    }

    @Test("tables fit 80 columns, and a plot is written whole")
    func plots() throws {
        let folder = try TemporaryFolder()
        let run = try CommandLineTests.bitnet(
            small + ["--kernels", "own,\(KernelSet.best)", "--plot", folder.file("bars.svg")])
        #expect(run.code == 0)
        #expect(run.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(run.output)")
        #expect(run.output.contains("energy: "))
        let svg = try String(contentsOfFile: folder.file("bars.svg"), encoding: .utf8)
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(try Picture(svg).outside.isEmpty)
        let width = folder.file("width.svg")
        #expect(try CommandLineTests.bitnet(["demo", "width", "--plot", width]).code == 0)
        let lines = try Picture(try String(contentsOfFile: width, encoding: .utf8))
        #expect(lines.outside.isEmpty && lines.texts.contains("trits chosen together"))
        #expect(try folder.names == ["bars.svg", "width.svg"])
        for arguments in [
            small + ["--zero-share", "0.5"],
            ["bench", "head", "--rows", "512", "--columns", "256", "--states", "2"],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 0)
            #expect(
                run.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(run.output)")
        }
    }

    @Test("a plot that cannot be written is an error that names it")
    func unwritable() throws {
        let path = "/nowhere/bars.svg"
        let run = try CommandLineTests.bitnet(
            small + ["--kernels", "scalar t2", "--placement", "cache", "--plot", path])
        #expect(run.code == 1 && run.errorLines.last?.contains(path) == true)
    }

    @Test("doctor's JSON is a survey, and its lines say the same")
    func doctor() throws {
        let run = try CommandLineTests.bitnet(["doctor", "--json"])
        #expect(run.code == 0)
        let survey = try JSONDecoder().decode(MachineSurvey.self, from: Data(run.output.utf8))
        #expect(survey.kernelSets == KernelSet.available.map(\.name))
        #expect(survey.rejectedKernelSets == KernelSet.rejected)
        #expect(survey.speeds.first?.limits.threads == 1 && survey.cores == MachineReport.cores)
        #expect(survey.speeds.allSatisfy { $0.dispatchSeconds > 0 && $0.layouts.count == 2 })
        #expect((survey.idleWatts == nil) == (survey.energyUnavailable != nil))
        let lines = "\(survey)".split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(survey)")
        for word in ["build: ", "cpu: ", "energy: ", "1 thread: ", "advice: "] {
            #expect(lines.contains { $0.hasPrefix(word) })
        }
    }

    @Test("tests that no text of the model is as long as are measured, with one warning")
    func longTests() throws {
        let common = ["bench", "model", "--repetitions", "1", "--json", "-t", "1,2"]
        let long = try CommandLineTests.bitnet(
            common + ["-p", "600,8", "-n", "4", "--depth", "0,510"])
        let warnings = long.errorLines.filter { $0.hasPrefix("warning: ") }
        #expect(warnings.count == 1, "\(long.error)")
        #expect(warnings.first?.contains("pp600, tg4@510: more than the 512 tokens") == true)
        #expect(long.code == 0 && long.output.ranges(of: "\"test\":\"pp600\"").count == 2)
        let most = try CommandLineTests.bitnet(common + ["-p", "512", "-n", "4", "--depth", "508"])
        #expect(most.code == 0 && !most.error.contains("warning: "), "\(most.error)")
        // A synthetic model takes any length; its shape is that of one which does not.
        let shape = try #require(ModelShape.named["bitnet-2b-4t"]?.contextLength)
        let warning = ModelBenchmark.Test.warning(
            about: [.prefill(shape), .decode(1, depth: shape)], trainedContext: shape)
        #expect(warning?.hasPrefix("tg1@4096: more than the 4,096 tokens") == true)
    }

    @Test(
        "wrong usage is said first and alone",
        arguments: [
            "matmul --plot x.png", "matmul --isa mmx", "matmul -t 1025", "matmul -t 0",
            "head --isa mmx", "head -t 1025", "head --types none", "model --isa mmx",
            "model -t 1025", "model --synthetic x", "compare --with x --with-model y --isa mmx",
            "sparsity --isa mmx", "sparsity --plot x.png", "sparsity -t 0",
        ])
    func usage(_ line: String) throws {
        let run = try CommandLineTests.bitnet(
            ["bench"] + line.split(separator: " ").map(String.init))
        #expect(run.code == 64 && run.output.isEmpty)
        #expect(run.error.hasPrefix("error: ") && run.error.contains("Usage: "), "\(run.error)")
    }

    @Test(
        "what is not there is found before anything is measured",
        arguments: ["model -m none", "compare --with none --with-model y", "matmul --plot none/x"])
    func missing(_ line: String) throws {
        let run = try CommandLineTests.bitnet(
            ["bench"] + line.split(separator: " ").map(String.init))
        #expect(run.code == 1 && run.output.isEmpty && run.errorLines.count == 1, "\(run.error)")
        #expect(run.error.hasPrefix("error: ") && run.error.contains("/none"))
    }

    @Test("convert's JSON is the library's report")
    func convert() throws {
        let folder = try TemporaryFolder()
        let run = try CommandLineTests.bitnet(
            ["convert", model, folder.file("new.gguf"), "--json"])
        #expect(run.code == 0)
        let report = try JSONDecoder().decode(ConversionReport.self, from: Data(run.output.utf8))
        let again = try BitNetConverter.convert(
            from: URL(fileURLWithPath: model),
            to: URL(fileURLWithPath: folder.file("again.gguf")))
        #expect(report.tensors == again.tensors && report.byteCount == again.byteCount)
        #expect(report.path.hasSuffix("new.gguf") && report.warnings == again.warnings)
        #expect(report.tensors.contains { ($0.zeroShare ?? 0) > 0 && $0.type == .i2_s })
    }

    @Test("generate's JSON has the seed that writes the same text again; greedy text has none")
    func seeds() throws {
        struct Response: Decodable {
            let text: String
            let seed: UInt64?
        }
        func generate(_ arguments: String...) throws -> Response {
            let run = try CommandLineTests.bitnet(
                ["generate", "A cat", "--max-tokens", "12", "--json"] + arguments)
            #expect(run.code == 0)
            #expect(run.output.contains("\"seed\":"))
            return try JSONDecoder().decode(Response.self, from: Data(run.output.utf8))
        }
        let first = try generate("--temperature", "1.2")
        let seed = try #require(first.seed)
        let second = try generate("--temperature", "1.2", "--seed", "\(seed)")
        #expect(second.text == first.text && second.seed == seed)
        #expect(try generate("--seed", "\(UInt64.max)").seed == .max)
        #expect(try generate("--temperature", "0").seed == nil)
    }
}
