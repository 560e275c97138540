import BitNetBench
import BitNetKit
import BitNetSampleModel
import Foundation
import Synchronization
import Testing

/// The code of the documentation compiles and does what the text says.
@Suite("Documentation")
struct DocumentationTests {
    @Test("the examples of Getting started")
    func gettingStarted() async throws {
        let progress = Mutex<[LoadProgress]>([])
        let model = try await BitNetModel.load(BitNetSampleModel.url) { step in
            progress.withLock { $0.append(step) }
        }
        #expect(progress.withLock { $0.first?.phase } == .map)
        #expect(progress.withLock { $0.last?.phase } == .ready)
        #expect("\(model.configuration)".contains("bitnet, 6 layers, hidden 256"))

        let options = GenerationOptions(
            sampling: .random(temperature: 0.8, topP: 0.95, seed: 1), maximumResponseTokens: 12)
        let result = try await model.generate("Once upon a time", options: options)
        #expect(result.stopReason == .length)
        #expect("\(result.statistics)".contains("response 12 tokens"))

        var text = ""
        for try await event in model.stream("Once upon a time", options: options) {
            switch event {
            case .text(let piece): text += piece
            case .token: break
            case .finished(let reason, _): #expect(reason == .length)
            }
        }
        #expect(text == result.text)
    }

    @Test("the example of steering")
    func steering() async throws {
        let model = try await BitNetModel.load(BitNetSampleModel.url)
        var options = GenerationOptions(maximumResponseTokens: 20)
        let stop = try model.tokenizer.encode(".")[0]
        options.logitBias[stop] = -.infinity
        options.topLogProbabilities = 3
        options.speculation = .promptLookup()
        let variety: LogitProcessor = { tokens, logits in
            for token in tokens.suffix(8) { logits[token] = -.infinity }
        }
        let steered = try await model.generate(
            "Once upon a time", options: options, processors: [variety])
        #expect(steered.logProbabilities[0].top.count == 3)
        #expect(steered.tokens.count == 20 && !steered.tokens.contains(stop))
        for (index, token) in steered.tokens.enumerated() {
            #expect(!steered.tokens[max(0, index - 8)..<index].contains(token))
        }
    }

    @Test("an error is caught by its case, and says the same as a localized description")
    func errors() async {
        let url = URL(fileURLWithPath: "/no/such/model.gguf")
        do {
            _ = try await BitNetModel.load(url)
            Issue.record("a file that is not there was loaded")
        } catch .notTernary {
            Issue.record("a file that is not there is not ternary")
        } catch {
            #expect(error == .fileNotFound(path: url.path))
            #expect("\(error)" == "/no/such/model.gguf: no such file or folder; check the path")
            #expect(error.localizedDescription == "\(error)")
        }
    }

    @Test("the examples of the parts")
    func parts() async throws {
        let matrix = try TernaryMatrix(rows: 1, columns: 3, scale: .perTensor(1)) { _, column in
            [.plus, .minus, .zero][column]
        }
        #expect(try "\(matrix.multiply([0.5, 0.8, 0.2]))" == "[-0.3023622]")
        #expect("\(matrix.statistics())" == "1 of -1, 1 of 0, 1 of +1")

        let rounding = try AbsmeanRounding(Tensor([0.9, -0.1, 0.4, -0.6], shape: [2, 2]))
        #expect(rounding.scale == 0.5 && abs(rounding.relativeError - 0.14179105) < 1e-6)

        let model = try await BitNetModel.load(BitNetSampleModel.url)
        let gate = model.layers[3].feedForward.gate
        #expect(gate.weight.trits(ofRow: 0).count == gate.weight.columns)
        let x = try Tensor<Float>(repeating: 0.1, shape: [gate.weight.columns])
        #expect(try gate(x).shape == [gate.weight.rows])
        let workspace = try ProductWorkspace(for: gate.weight, threads: 1)
        var y = [Float](repeating: 0, count: gate.weight.rows)
        try gate.apply(to: x.values, into: &y, workspace: workspace)
        #expect(try gate(x).values == y)

        let baseline = try FloatBaseline(
            .ownF16, rows: 1, columns: 3, weights: [0.123, -0.456, 0.789])
        #expect(try abs(baseline.multiply([0.5, 0.8, 0.2])[0] - -0.1455) < 1e-3)

        let tokenizer = try Tokenizer.load(from: BitNetSampleModel.url)
        #expect(try tokenizer.decode(tokenizer.encode("Once upon a time")) == "Once upon a time")
    }
}
