import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Reports of plans")
struct PlanReportTests {
    private func plan(
        context: Int? = 4096, head: LMHeadStorage = .asStored, lmHead: ElementType = .q6_K,
        isUnpublished: Bool = false
    ) throws -> ModelPlan {
        var shape = try #require(ModelShape.named["bitnet-2b-4t"])
        if isUnpublished { shape.contextLength = nil }
        return try ModelPlan(
            shape, lmHead: lmHead, context: context ?? 4096,
            options: LoadOptions(threads: 1, layout: .t5, lmHead: head))
    }

    @Test("a plan fits exactly what it takes, and one byte less says what is missing")
    func fits() throws {
        let plan = try plan(isUnpublished: true)
        // Trained for more than is planned for.
        let enough = PlanReport(plan, availableBytes: plan.memory.total)
        #expect(enough.fits && enough.missingBytes == 0 && enough.maximumContext == 4096)
        let longer = try #require(enough.longer)
        #expect(longer.context == 8192)
        #expect(longer.missingBytes == plan.totalMemory(context: 8192) - plan.memory.total)
        #expect("\(enough)".contains("; context 8,192 needs "))

        let less = PlanReport(plan, availableBytes: plan.memory.total - 1)
        #expect(!less.fits && less.missingBytes == 1 && less.maximumContext == 4095)
        #expect("\(less)".contains("fits      no: "))
        let words = "\(less)".split(whereSeparator: \.isWhitespace).joined(separator: " ")
        #expect(words.contains("context 4,096 needs 1 byte more; 4,095 tokens fit"))
        let none = PlanReport(plan, availableBytes: 1000)
        #expect(none.maximumContext == nil && !"\(none)".contains("tokens fit"))
        #expect(
            "\(PlanReport(plan, availableBytes: plan.totalMemory(context: 1)))".contains(
                "1 token fits"))
        let much = PlanReport(plan, availableBytes: 1 << 50)
        #expect(much.fits && much.longer == nil)
    }

    @Test("a context longer than the trained one is a warning, for models with a file")
    func trainedContext() throws {
        let url = try BitNetSampleModel.url
        let most = try BitNetModel.plan(url).trainedContext
        let within = PlanReport(try BitNetModel.plan(url, context: most))
        #expect(within.warnings.isEmpty)
        let beyond = PlanReport(try BitNetModel.plan(url, context: most + 1))
        #expect(beyond.warnings.count == 1)
        #expect(beyond.warnings[0].contains("\((most + 1).grouped)"))
        #expect("\(beyond)".contains("warning: context"))
        // A shape was trained for nothing.
        var sizes = try #require(ModelShape.named["bitnet-2b-4t"])
        sizes.contextLength = nil
        let shape = PlanReport(
            try ModelPlan(sizes, context: 1 << 18, options: LoadOptions(threads: 1, layout: .t5)))
        #expect(shape.warnings.isEmpty && shape.plan.trainedContext == 1 << 18)
        // A published model was trained for its own.
        let published = PlanReport(try plan(context: 8192))
        #expect(published.plan.trainedContext == 4096 && published.warnings.count == 1)
    }

    @Test(
        "named shapes have context and LM head of the published configurations",
        arguments: [
            ("bitnet-2b-4t", 4096, true), ("bitnet-3b", 2048, true), ("falcon3-7b", 32_768, false),
            ("falcon3-10b", 32_768, false), ("llama3-8b", 8192, false), ("llama-70b", 8192, false),
        ])
    func published(_ name: String, _ context: Int, _ isTied: Bool) throws {
        let shape = try #require(ModelShape.named[name])
        #expect(shape.contextLength == context && shape.isLMHeadTied == isTied)
        let plan = try ModelPlan(
            shape, name: name, options: LoadOptions(threads: 1, layout: .t2))
        #expect(plan.name == name && plan.context == context && plan.trainedContext == context)
        let matrix = shape.vocabularySize * shape.hiddenSize
        #expect(plan.denseWeights == (isTied ? matrix : 2 * matrix))
        #expect(plan.memory.lmHead == (isTied ? 0 : plan.memory.embedding))
        #expect(ModelShape.named.count == 6)
    }

    @Test(
        "a shape has the smallest type of dense weights that can hold its rows",
        arguments: [(2560, ElementType.q6_K), (3200, .q8_0), (2592, .q8_0), (2576, .f16)])
    func denseType(_ hidden: Int, _ type: ElementType) throws {
        let shape = ModelShape(
            hiddenSize: hidden, feedForwardSize: 64, layerCount: 1, headCount: 8,
            keyValueHeadCount: 8, vocabularySize: 300)
        let options = LoadOptions(threads: 1, layout: .t2)
        let model = try BitNetModel.synthetic(shape, options: options)
        #expect(model.transformer.lmHeadName == type.rawValue)
        let plan = try ModelPlan(shape, context: 64, options: options)
        #expect(plan.memory.embedding == type.block.bytes * 300 * hidden / type.block.elements)
        #expect(try LayerwiseRun.run(shape, options: options).headBytes == plan.memory.embedding)
    }

    @Test("a synthetic model has the LM head that its shape says, as the plan does")
    func untied() async throws {
        for isTied in [true, false] {
            let shape = ModelShape(
                hiddenSize: 256, feedForwardSize: 512, layerCount: 1, headCount: 4,
                keyValueHeadCount: 2, vocabularySize: 512, isLMHeadTied: isTied)
            let options = LoadOptions(threads: 1, layout: .t2)
            let model = try BitNetModel.synthetic(shape, options: options)
            let plan = try ModelPlan(shape, options: options)
            #expect(model.configuration.isLMHeadTied == isTied)
            #expect(
                plan.memory.embedding + plan.memory.lmHead + plan.memory.scan
                    == model.byteCount.dense)
            #expect(try await model.logits(tokens: [1, 2]).logits[0].allSatisfy(\.isFinite))
        }
    }

    @Test("a speed that a debug build has measured says so")
    func debugSpeed() throws {
        let plan = try plan()
        for isOptimized in [true, false] {
            let speed = plan.speed(
                weightsPerSecond: 20e9, bytesPerSecond: 10e9, jobSeconds: 1e-6,
                isOptimized: isOptimized)
            let report = PlanReport(plan, availableBytes: 1 << 40, speed: speed)
            #expect(report.speed == speed && "\(report)".contains(" tokens/s, "))
            #expect(report.warnings.contains { $0.contains("debug build") } == !isOptimized)
            #expect("\(report)".contains("warning: the speed") == !isOptimized)
        }
        // What is measured says how it was compiled.
        let small = ModelShape(
            hiddenSize: 256, feedForwardSize: 512, layerCount: 1, headCount: 4,
            keyValueHeadCount: 2, vocabularySize: 256)
        let options = LoadOptions(threads: 1, layout: .t2)
        let measured = try ModelPlan(small, options: options).speed(options: options)
        #expect(measured.isOptimized == MachineReport.isOptimized)
    }

    @Test("rows say what their bytes are, and there is none of 0 bytes")
    func rows() throws {
        for (head, type, note) in [
            (LMHeadStorage.asStored, ElementType.q6_K, "bounds of the LM head's rows"),
            (.asStored, .q8_0, "bounds of the LM head's rows"),
            (.twoStageExact, .q4_0, "bounds of the LM head's rows"),
            (.twoStageFast, .q4_0, "bounds of the LM head's rows"),
            (.twoStageExact, .f16, "int8 copy of the LM head"),
            (.twoStageFast, .f16, "4.5-bit copy of the LM head"),
        ] {
            let plan = try plan(head: head, lmHead: type)
            let lines = "\(PlanReport(plan))".split(separator: "\n")
            let scan = lines.filter { $0.hasPrefix("scan ") }
            #expect(scan.count == 1 && scan[0].contains(note))
            #expect(!lines.contains { $0.hasPrefix("LM head ") })
            #expect(lines.contains { $0.hasPrefix("embedding") && $0.contains("LM head too") })
        }
        let full = "\(PlanReport(try plan(lmHead: .f16)))"
        #expect(!full.contains("\nscan ") && full.contains("\npages "))
        // Nothing of this model is large enough for whole pages.
        let small = try BitNetModel.plan(
            TinyModel.bitnetFolder, context: 64, options: LoadOptions(threads: 1))
        let text = "\(PlanReport(small))"
        #expect(small.memory.pages == 0 && small.memory.lmHead > 0)
        #expect(!text.contains("\npages ") && text.contains("\nLM head "))
        #expect(!text.contains(" 0 bytes") && text.contains("1 thread\n"))
    }

    @Test("every line fits 80 columns, and a report goes to JSON and back with its old names")
    func forms() throws {
        for context in [1, 4096, 1 << 24] {
            for available in [1000, 1 << 30, 1 << 50] {
                let plan = try plan(context: context)
                let report = PlanReport(
                    plan, availableBytes: available,
                    speed: plan.speed(
                        weightsPerSecond: 1e12, bytesPerSecond: 1e12, jobSeconds: 0,
                        isOptimized: false))
                for line in "\(report)".split(separator: "\n") {
                    #expect(line.count <= 80, "\(line)")
                }
                let data = try JSONEncoder().encode(report)
                #expect(try JSONDecoder().decode(PlanReport.self, from: data) == report)
                let object = try JSONSerialization.jsonObject(with: data) as? [String: Any]
                for key in ["plan", "totalBytes", "availableBytes", "speed", "warnings"] {
                    #expect(object?[key] != nil, "\(key)")
                }
            }
        }
    }

    @Test("a shape that makes no graph is refused in its own words")
    func shapes() throws {
        func refusal(_ sizes: [Int], _ type: ElementType = .q6_K) -> String {
            let shape = ModelShape(
                hiddenSize: sizes[0], feedForwardSize: sizes[1], layerCount: sizes[2],
                headCount: sizes[3], keyValueHeadCount: sizes[4], vocabularySize: sizes[5])
            let error = #expect(throws: BitNetError.self) { try ModelPlan(shape, lmHead: type) }
            return error.map { "\($0)" } ?? ""
        }
        // Heads that do not divide the hidden size, or do not share key-value heads; none at all.
        #expect(refusal([1792, 512, 1, 3, 1, 256]).contains("cannot be split into 3 heads"))
        #expect(refusal([256, 512, 1, 4, 3, 256]).contains("cannot share 3"))
        #expect(refusal([256, 512, 1, 0, 1, 256]).hasPrefix("headCount: 0 "))
        #expect(refusal([256, 512, 0, 4, 1, 256]).hasPrefix("layerCount: 0 "))
        #expect(refusal([256, 512, 1, 4, 2, 0]).hasPrefix("vocabularySize: 0 "))
        #expect(refusal([320, 512, 1, 4, 2, 256]).contains("Q6_K cannot hold rows of 320"))
        #expect(!refusal([256, 512, 1, 4, 3, 256]).contains("synthetic"))
    }
}

@Suite("Text in columns")
struct TextLayoutTests {
    @Test("words are wrapped at the width, indented after the first line, and none is lost")
    func wrapping() {
        let text = (1...60).map { String(repeating: "x", count: $0 % 13 + 1) }
            .joined(separator: " ")
        for (width, indent, start) in [(20, 0, ""), (40, 4, ""), (80, 2, "  ")] {
            let lines = (start + text).wrapped(to: width, indent: indent)
            #expect(lines.allSatisfy { $0.count <= width })
            #expect(lines.allSatisfy { $0.hasPrefix(start) })
            let margin = start + String(repeating: " ", count: indent)
            #expect(lines.dropFirst().allSatisfy { $0.hasPrefix(margin) })
            #expect(lines.flatMap { $0.split(separator: " ") } == text.split(separator: " "))
        }
        #expect("".wrapped(to: 10) == [""])
        #expect("a longerthanten b".wrapped(to: 10) == ["a", "longerthanten", "b"])
    }

    @Test("padding keeps columns apart, also behind what is too long")
    func padding() {
        #expect("ab".padded(to: 4) == "ab  " && "abcd".padded(to: 4) == "abcd ")
        #expect("ab".leftPadded(to: 4) == "  ab" && "abcd".leftPadded(to: 4) == " abcd")
        #expect([["a", "bb"], ["ccc", "d"]].table(separator: "|") == "a  |bb\nccc|d")
    }

    @Test(
        "bytes have up to three digits before the point, and the unit that this takes",
        arguments: [
            (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"),
            (999_949, "999.9 kB"), (999_950, "1.0 MB"), (16_800_000, "16.8 MB"),
            (999_949_999, "999.9 MB"), (999_950_000, "1.00 GB"), (13_900_000_000, "13.90 GB"),
        ])
    func memory(_ bytes: Int, _ text: String) {
        #expect(bytes.asMemory == text)
    }

    @Test(
        "digits are grouped by three",
        arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1_234_567, "-1,234,567")])
    func grouping(_ number: Int, _ text: String) {
        #expect(number.grouped == text)
    }
}
