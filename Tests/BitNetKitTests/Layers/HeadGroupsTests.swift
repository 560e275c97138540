import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A layer's cache with something in it, and queries.
private struct Scene {
    let groups: HeadGroups
    let cache: KVCache.Layer
    let queries: AlignedBuffer<Float>
    let rows: Int
    let first: Int

    init(
        groups count: Int, of size: Int, window: Int?, precision: KVCachePrecision, rows: Int,
        first: Int, dimension: Int = 40
    ) throws {
        groups = HeadGroups(
            count: count, size: size, headDimension: dimension, scale: 0.3, window: window)
        cache = try KVCache.Layer(
            capacity: first + rows, heads: count, headDimension: dimension, precision: precision)
        for position in 0..<first + rows {
            let key = try AlignedBuffer(
                randomFloats(count * dimension, seed: UInt64(position)), purpose: "test")
            let value = try AlignedBuffer(
                randomFloats(count * dimension, seed: UInt64(1_000_000 + position)), purpose: "test"
            )
            cache.store(key: key.view, value: value.view, position: position, kernels: .best)
            withExtendedLifetime((key, value)) {}
        }
        queries = try AlignedBuffer(
            randomFloats(rows * count * size * dimension, seed: 5, scale: 2), purpose: "test")
        self.rows = rows
        self.first = first
    }

    private var columns: Int { groups.count * groups.size * groups.headDimension }

    func attended(threads: Int, kernels: KernelSet = .best, split: Bool?) throws -> [Float] {
        let out = try AlignedBuffer<Float>(count: queries.count, purpose: "test")
        // Room for all heads, so that a split can be forced on few threads.
        let scratch = try AttentionScratch(
            threads: max(threads, rows * groups.count * groups.size), groupSize: groups.size,
            contextLength: first + rows)
        groups.attend(
            Activations(queries.view, rows: rows, columns: columns), cache, first: first,
            scratch: scratch, into: Activations(out.view, rows: rows, columns: columns),
            Compute(kernels: kernels, pool: WorkerPool(threads: threads)), split: split)
        return out.array
    }

    /// The definition, with the keys and values that were stored.
    func plain() -> [Double] {
        let size = groups.headDimension
        func stored(_ position: Int, _ head: Int, seed: Int) -> [Double] {
            let all = randomFloats(groups.count * size, seed: UInt64(seed + position))
            return all[head * size..<(head + 1) * size].map(Double.init)
        }
        var out: [Double] = []
        for vector in 0..<queries.count / size {
            let (row, head) = vector.quotientAndRemainder(dividingBy: groups.count * groups.size)
            let query = queries.array[vector * size..<(vector + 1) * size].map(Double.init)
            let weights = (0...first + row).map { position in
                let key = stored(position, head / groups.size, seed: 0)
                return exp(zip(query, key).map(*).reduce(0, +) * Double(groups.scale))
            }
            var sums = [Double](repeating: 0, count: size)
            for (position, weight) in weights.enumerated() {
                let value = stored(position, head / groups.size, seed: 1_000_000)
                for i in 0..<size { sums[i] += weight * value[i] }
            }
            let total = weights.reduce(0, +)
            out += sums.map { $0 / total }
        }
        return out
    }

    /// One head of one token after the other, with the scalar kernels.
    func expected() throws -> [Float] {
        let kernels = try KernelSet.named("scalar")
        let size = groups.headDimension
        let out = try AlignedBuffer<Float>(count: queries.count, purpose: "test")
        let scores = try AlignedBuffer<Float>(count: first + rows, purpose: "test")
        let total = try AlignedBuffer<Float>(count: 1, purpose: "test")
        for vector in 0..<queries.count / size {
            let (row, head) = vector.quotientAndRemainder(dividingBy: groups.count * groups.size)
            let positions = min(first + row + 1, groups.window ?? .max)
            let hidden = first + row + 1 - positions
            let range = vector * size..<(vector + 1) * size
            let group = head / groups.size
            kernels.attentionScores(
                queries: queries.view[range], heads: 1,
                keys: cache.keys(head: group).from(position: hidden, size: size),
                positions: 0..<positions, scale: groups.scale, into: scores.view,
                stride: scores.count)
            total.view[0] = kernels.attentionWeights(scores.view[0..<positions])
            kernels.attentionValues(
                weights: scores.view, stride: scores.count, totals: total.view,
                values: cache.values(head: group).from(position: hidden, size: size),
                positions: positions, dimensions: 0..<size, into: out.view[range])
        }
        return out.array
    }
}

@Suite("HeadGroups")
struct HeadGroupsTests {
    @Test(
        "heads in groups and in parts give the bits of one head at a time, on any threads",
        arguments: [1, 3, 4], KVCachePrecision.allCases)
    func sameBits(_ size: Int, _ precision: KVCachePrecision) throws {
        for window in [nil, 5, 640] {
            let scene = try Scene(
                groups: 3, of: size, window: window, precision: precision, rows: 3, first: 697)
            let expected = try scene.expected()
            #expect(Set(expected).count > expected.count / 2)
            for threads in [1, 2, 3, 5, 8] {
                for split in [false, true, nil] {
                    let found = try scene.attended(threads: threads, split: split)
                    let isSame = found == expected
                    let cut = split.map { $0 ? "split" : "whole" } ?? "as it comes"
                    #expect(isSame, "window \(window ?? 0), \(threads) threads, \(cut)")
                }
            }
        }
    }

    @Test(
        "groups of any size keep their bits, on every instruction set", arguments: [2, 5, 8, 19])
    func sizes(_ size: Int) throws {
        let scene = try Scene(
            groups: 2, of: size, window: nil, precision: .f16, rows: 2, first: 150)
        let expected = try scene.expected()
        for kernels in KernelSet.available {
            for split in [false, true] {
                let found = try scene.attended(threads: 3, kernels: kernels, split: split)
                let isSame = found == expected
                #expect(isSame, "\(kernels), split: \(split)")
            }
        }
    }

    @Test(
        "heads of no whole eights attend as plain sums do, on every instruction set",
        arguments: [2, 36, 100])
    func raggedHeads(_ dimension: Int) throws {
        let scene = try Scene(
            groups: 2, of: 5, window: nil, precision: .f32, rows: 2, first: 70,
            dimension: dimension)
        let expected = try scene.expected()
        let plain = scene.plain()
        #expect(zip(expected, plain).allSatisfy { abs(Double($0) - $1) < 1e-5 })
        for kernels in KernelSet.available {
            for split in [false, true] {
                let isSame =
                    try scene.attended(threads: 3, kernels: kernels, split: split) == expected
                #expect(isSame, "\(kernels), split: \(split)")
            }
        }
    }

    @Test("a prompt from the start gives the bits of one head at a time", arguments: [1, 2, 3, 7])
    func prompt(_ threads: Int) throws {
        let scene = try Scene(
            groups: 2, of: 4, window: 50, precision: .f16, rows: 90, first: 0)
        let isSame = try scene.attended(threads: threads, split: nil) == scene.expected()
        #expect(isSame)
    }

    @Test("heads are split where threads outnumber groups, and there is enough for all of them")
    func splitting() throws {
        let groups = HeadGroups(count: 5, size: 4, headDimension: 128, scale: 1, window: nil)
        func splits(_ tokens: Int, _ positions: Int, _ threads: Int) throws -> Bool {
            let scratch = try AttentionScratch(threads: threads, groupSize: 4, contextLength: 8)
            return groups.gainsFromSplitting(
                tokens: tokens, positions: positions, threads: threads, scratch: scratch)
        }
        #expect(try splits(1, 2048, 8))
        #expect(try splits(1, 500, 8))
        #expect(try !splits(1, 499, 8))
        #expect(try !splits(1, 500, 16))
        #expect(try !splits(1, 2048, 5))
        #expect(try splits(3, 2048, 16))
        #expect(try !splits(4, 2048, 16))
        // A group of which not all scores fit.
        let wide = HeadGroups(count: 1, size: 32, headDimension: 128, scale: 1, window: nil)
        let scratch = try AttentionScratch(threads: 2, groupSize: 32, contextLength: 8)
        #expect(
            !wide.gainsFromSplitting(tokens: 1, positions: 2048, threads: 2, scratch: scratch))
    }

    @Test("scores for a context beyond all memory are refused")
    func memory() {
        for contextLength in [Int.max, Int.max / 16] {
            #expect(
                throws: BitNetError.outOfMemory(bytes: Int.max, purpose: "attention scores")
            ) {
                try AttentionScratch(threads: 2, groupSize: 4, contextLength: contextLength)
            }
        }
    }
}
