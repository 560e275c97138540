import Benchmark
import BitNetKit
import BitNetSampleModel

// The sample model end to end on one thread: loading, a prompt, and text.

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput, .peakMemoryResident], warmupIterations: 1,
        maxDuration: .seconds(3))
    let options = LoadOptions(threads: 1)

    Benchmark("load the sample model") { _ in
        blackHole(try await BitNetModel.load(BitNetSampleModel.url, options: options))
    }

    Benchmark("write 64 tokens") { benchmark in
        let model = try await BitNetModel.load(BitNetSampleModel.url, options: options)
        var generation = GenerationOptions()
        generation.sampling = .greedy
        generation.maximumResponseTokens = 64
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(try await model.generate("Once upon a time", options: generation))
        }
    }

    Benchmark("read 256 tokens") { benchmark in
        let model = try await BitNetModel.load(BitNetSampleModel.url, options: options)
        let tokens = (0..<256).map { $0 * 31 % 2048 }
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations { blackHole(try await model.logits(tokens: tokens)) }
    }
}
