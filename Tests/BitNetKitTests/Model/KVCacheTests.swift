import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("KVCache")
struct KVCacheTests {
    private let capacity = 5
    private let heads = 3
    private let size = 8

    private func layer(_ precision: KVCachePrecision, size: Int = 8) throws -> KVCache.Layer {
        try KVCache.Layer(
            capacity: capacity, heads: heads, headDimension: size, precision: precision)
    }

    /// Keys or values of one position.
    private func row(_ position: Int, seed: UInt64) throws -> AlignedBuffer<Float> {
        try AlignedBuffer(
            randomFloats(heads * size, seed: seed + UInt64(position)), purpose: "test")
    }

    private func floats(_ view: CacheView) throws -> [Float] {
        switch view {
        case .f32(let view): return view.array
        case .f16(let view):
            let values = try AlignedBuffer<Float>(count: view.count, purpose: "test")
            view.array.withUnsafeBytes { Codec.decode(.f16, $0, into: values.view) }
            return values.array
        case .int8(let view, let scales):
            return view.array.enumerated().map { Float($1) * scales[$0 / size] }
        }
    }

    @Test(
        "each head has its positions one after the other",
        arguments: KVCachePrecision.allCases, KernelSet.available)
    func storage(_ precision: KVCachePrecision, _ kernels: KernelSet) throws {
        let layer = try layer(precision)
        // Any order: threads store positions as they come.
        for position in [3, 0, 4, 1] {
            let (key, value) = (try row(position, seed: 10), try row(position, seed: 20))
            layer.store(key: key.view, value: value.view, position: position, kernels: kernels)
            withExtendedLifetime((key, value)) {}
        }
        for head in 0..<heads {
            let keys = try floats(layer.keys(head: head))
            let values = try floats(layer.values(head: head))
            try #require(keys.count == capacity * size && values.count == capacity * size)
            for (found, seed) in [(keys, UInt64(10)), (values, 20)] {
                for position in [0, 1, 3, 4] {
                    let expected = try row(position, seed: seed).array[
                        head * size..<(head + 1) * size]
                    let stored = found[position * size..<(position + 1) * size]
                    if precision == .f32 {
                        #expect(Array(stored) == Array(expected))
                    } else {
                        let worst = zip(stored, expected).map { abs($0 - $1) }.max() ?? 1
                        let bound: Float = precision == .f16 ? 0x1p-12 : 0.5 / 127 + 1e-6
                        #expect(worst <= bound)
                        #expect(stored.contains { $0 != 0 })
                    }
                }
                #expect(found[2 * size..<3 * size].allSatisfy { $0 == 0 })
            }
        }
    }

    @Test("f16 takes half the bytes of f32, int8 a quarter and a scale for each vector")
    func byteCounts() throws {
        #expect(try layer(.int8).byteCount == 2 * capacity * heads * (size + 4))
        #expect(try layer(.f32).byteCount == 2 * 4 * capacity * heads * size)
        #expect(try layer(.f16).byteCount == 2 * 2 * capacity * heads * size)
    }

    @Test(
        "heads of no whole eights have zeros behind them, in copies too",
        arguments: KVCachePrecision.allCases)
    func ragged(_ precision: KVCachePrecision) throws {
        let layer = try layer(precision, size: 6)
        #expect(layer.byteCount == (try self.layer(precision).byteCount))
        for position in 0..<2 {
            let ones = try AlignedBuffer<Float>(
                [Float](repeating: Float(position + 1), count: heads * 6), purpose: "test")
            layer.store(key: ones.view, value: ones.view, position: position, kernels: .best)
            withExtendedLifetime(ones) {}
        }
        let copy = try KVCache.Layer(copying: layer, positions: 2, capacity: 2)
        for head in 0..<heads {
            for view in [copy.keys(head: head), copy.values(head: head)] {
                let expected: [Float] = [1, 1, 1, 1, 1, 1, 0, 0, 2, 2, 2, 2, 2, 2, 0, 0]
                #expect(try floats(view) == expected)
            }
        }
    }

    @Test("a cache has a layer for each of the model's, and counts positions")
    func positions() throws {
        let configuration = try BitNetModel(
            loading: Fixtures.url("reference/bitnet-untied/packed")
        ).configuration
        var cache = try KVCache(configuration, capacity: 7, precision: .f16)
        #expect(cache.position == 0)
        let perPosition = configuration.keyValueHeadCount * configuration.headDimension * 4
        let byteCount = cache.byteCount
        #expect(byteCount == configuration.layerCount * 7 * perPosition)
        cache.advance(by: 3)
        cache.advance(by: 4)
        #expect(cache.position == 7)
        for index in 0..<configuration.layerCount { _ = cache.layer(index) }
    }

    @Test("a benchmark's earlier positions hold finite noise, memory of their own, in every layer")
    func noise() throws {
        let model = try BitNetModel(loading: Fixtures.url("reference/bitnet-untied/packed"))
        let configuration = model.configuration
        let context = try InferenceContext(model.transformer, contextLength: 7, cache: .f32)
        try context.appendNoise(5)
        #expect(context.position == 5)
        let parts = context.filledParts
        #expect(parts.count == configuration.layerCount * configuration.keyValueHeadCount * 2)
        for part in parts {
            var bytes: [UInt8] = []
            try part.forEachPiece { (piece) throws(BitNetError) in bytes += piece }
            let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(values.count == 5 * configuration.headDimension)
            #expect(values.allSatisfy { $0.isFinite && abs($0) <= 0.5 })
            #expect(Set(values).count > configuration.headDimension)
        }
        #expect(throws: BitNetError.contextWindowExceeded(limit: 7, requested: 8)) {
            try context.appendNoise(3)
        }
    }

    @Test("what does not fit the context is an error, and what fits still does")
    func full() throws {
        let model = try BitNetModel(loading: Fixtures.url("reference/bitnet-untied/packed"))
        let context = try InferenceContext(model.transformer, contextLength: 4, cache: .f16)
        try context.forward([5, 6, 7])
        #expect(throws: BitNetError.contextWindowExceeded(limit: 4, requested: 5)) {
            try context.forward([8, 9])
        }
        try context.forward([8])
        #expect(context.position == 4)
        #expect(throws: BitNetError.contextWindowExceeded(limit: 4, requested: 5)) {
            try context.forward([9])
        }
    }

    @Test(
        "a cache that grows gives the bits of one that had room from the start",
        arguments: KVCachePrecision.allCases)
    func growing(_ precision: KVCachePrecision) throws {
        let model = try BitNetModel(loading: Fixtures.url("reference/bitnet-untied/packed"))
        let tokens = (0..<150).map { 5 + $0 * 7 % 300 }
        let whole = try InferenceContext(model.transformer, contextLength: 200, cache: precision)
        let growing = try InferenceContext(
            model.transformer, contextLength: 200, cache: precision, capacity: 1)
        let expected = try whole.allLogits(tokens)
        var found: [[Float]] = []
        for part in [tokens[..<3], tokens[3..<4], tokens[4..<140], tokens[140...]] {
            found += try growing.allLogits(Array(part))
        }
        #expect(found == expected)
    }

    @Test(
        "a fork goes on as its origin would, and changes nothing there",
        arguments: KVCachePrecision.allCases)
    func forking(_ precision: KVCachePrecision) throws {
        let model = try BitNetModel(loading: Fixtures.url("reference/bitnet-untied/packed"))
        let origin = try InferenceContext(model.transformer, contextLength: 300, cache: precision)
        try origin.read((0..<140).map { 5 + $0 * 11 % 300 })
        let fork = try origin.fork()
        #expect(fork.position == 140)
        let other = try fork.allLogits([250, 251, 252])
        let expected = try origin.allLogits([9, 10, 11])
        #expect(other != expected)
        fork.rewind(to: 140)
        #expect(try fork.allLogits([9, 10, 11]) == expected)
    }

    @Test("an int8 cache gives the same bits on every instruction set and number of threads")
    func int8SameBits() throws {
        func logits(_ options: LoadOptions, _ cache: KVCachePrecision) throws -> [[Float]] {
            let url = Fixtures.url("reference/bitnet-untied/packed")
            let context = try InferenceContext(
                BitNetModel(loading: url, options: options).transformer, contextLength: 70,
                cache: cache)
            return try context.allLogits((0..<70).map { 5 + $0 * 13 % 300 })
        }
        let expected = try logits(LoadOptions(threads: 1, instructionSet: "scalar"), .int8)
        for set in KernelSet.available {
            for threads in [1, 3] {
                var options = LoadOptions(threads: threads, instructionSet: set.name)
                options.sharing = .every
                #expect(try logits(options, .int8) == expected, "\(set.name), \(threads)")
            }
        }
        let float = try logits(LoadOptions(), .f32)
        #expect(float != expected)
        let agreeing = zip(float, expected).count { argmax($0) == argmax($1) }
        #expect(agreeing >= 63, "\(agreeing) of 70 likeliest tokens agree with an f32 cache")
    }
}
