import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// One ternary matrix in every form that files have it in.
@Suite("Ternary matrices in all their forms")
struct TernaryFormTests {
    private let pool = Compute.standard.pool

    private func source(
        _ type: ElementType, _ plain: PlainTernary, _ bytes: [UInt8],
        masters: MasterWeights = .requireTernary
    ) throws -> TernarySource {
        TernarySource(
            tensor: try CheckpointTensor(
                name: "w", type: type, shape: [plain.rows, plain.columns],
                region: ByteRegion(bytes)),
            rows: plain.rows, columns: plain.columns, scaleTensor: nil, direction: .multiply,
            masters: masters, interleavedHeads: 0)
    }

    /// Trits, products with one and with several inputs, in both layouts.
    private func check(_ source: TernarySource, _ plain: PlainTernary) throws {
        for layout in TernaryLayout.allCases {
            let matrix = try source.pack(layout: layout, pool: pool)
            #expect(matrix.scale == plain.scale)
            let trits = (0..<matrix.rows).flatMap { matrix.trits(ofRow: $0) }
            #expect(trits == plain.trits)
            for kernels in KernelSet.available {
                for batch in [1, 5] {
                    let x = randomFloats(batch * plain.columns, seed: 4)
                    #expect(try matrix.multiply(x, kernels: kernels) == plain.multiply(x))
                }
            }
        }
    }

    /// The scale of every weight.
    private func scales(_ plain: PlainTernary) -> [Float] {
        (0..<plain.rows * plain.columns).map { index in
            let (row, column) = index.quotientAndRemainder(dividingBy: plain.columns)
            switch plain.scale {
            case .perTensor(let beta): return beta
            case .perRow(let betas): return betas[row]
            case .perGroup(let size, let betas):
                return betas[row * (plain.columns / size) + column / size]
            }
        }
    }

    private func weights(_ plain: PlainTernary) -> [Float] {
        zip(plain.trits, scales(plain)).map { Float($0) * $1 }
    }

    /// Positive scales that float16 and bfloat16 hold exactly, all different.
    private func halves(_ count: Int) -> [Float] {
        (0..<count).map { Float(65 + $0 % 63) / 64 * Float(1 << ($0 / 63)) / 256 }
    }

    private func encoded(_ type: ElementType, _ values: [Float]) throws -> [UInt8] {
        let input = try AlignedBuffer(values, purpose: "test")
        let bytes = try AlignedBuffer<UInt8>(
            count: values.count / type.block.elements * type.block.bytes, purpose: "test")
        Codec.encode(type, input.view, into: bytes.view)
        return bytes.array
    }

    /// Q2_0 written by its definition: a float16 scale, then codes, the first in the low bits.
    private func q2(_ plain: PlainTernary, group: Int) throws -> [UInt8] {
        let all = scales(plain)
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: plain.trits.count, by: group) {
            bytes += try encoded(.f16, [all[start]])
            for byte in stride(from: start, to: start + group, by: 4) {
                bytes.append(
                    (0..<4).reduce(0) { $0 | UInt8(plain.trits[byte + $1] + 1) << (2 * $1) })
            }
        }
        return bytes
    }

    @Test("Q2_0 of both group sizes, with a scale a group, a row, and a matrix")
    func q2() throws {
        for (type, group) in [(ElementType.q2_0, 64), (.q2_0_128, 128)] {
            for scale in [
                TernaryScale.perGroup(size: group, halves(6 * 384 / group)), .perRow(halves(6)),
                .perTensor(0.75),
            ] {
                let plain = PlainTernary(rows: 6, columns: 384, scale: scale, seed: 1)
                try check(try source(type, plain, try q2(plain, group: group)), plain)
            }
        }
        // Groups of 64 that agree in pairs are groups of 128.
        let plain = PlainTernary(
            rows: 6, columns: 384, scale: .perGroup(size: 128, halves(18)), seed: 2)
        try check(try source(.q2_0, plain, try q2(plain, group: 64)), plain)
    }

    @Test("the fourth code of Q2_0 is refused as what it is")
    func q2Two() throws {
        let plain = PlainTernary(rows: 4, columns: 128, scale: .perTensor(1), seed: 3)
        var bytes = try q2(plain, group: 64)
        bytes[18 * 3 + 2 + 5] |= 0x30
        let source = try source(.q2_0, plain, bytes)
        let error = failure { () throws(BitNetError) in
            try source.pack(layout: .t2, pool: pool)
        }
        #expect(error?.isCorruptTensor == true)
        #expect(error?.description.contains("weight \(64 * 3 + 22) is +2") == true)
    }

    @Test(
        "weights of several magnitudes keep each of them",
        arguments: [ElementType.f32, .f16, .bf16])
    func shards(_ type: ElementType) throws {
        for scale in [
            TernaryScale.perTensor(0.25), .perRow(halves(12)),
            // Shards along the columns: the same scale in every row.
            .perGroup(size: 320, (0..<24).map { halves(2)[$0 % 2] }),
            .perGroup(size: 160, halves(48)), .perGroup(size: 32, halves(240)),
        ] {
            let plain = PlainTernary(rows: 12, columns: 640, scale: scale, seed: 5)
            let bytes = try encoded(type, weights(plain))
            for masters in [MasterWeights.requireTernary, .keepTernary, .approximate] {
                try check(try source(type, plain, bytes, masters: masters), plain)
            }
        }
    }

    @Test("a row of zeros, and a group of zeros, need no scale of their own")
    func zeros() throws {
        let plain = PlainTernary(rows: 6, columns: 256, scale: .perTensor(0.5), seed: 6)
        var values = weights(plain)
        for index in 256..<512 { values[index] = 0 }
        for index in 600..<700 { values[index] = 0 }
        let matrix = try source(.f16, plain, try encoded(.f16, values))
            .pack(layout: .t2, pool: pool)
        #expect(matrix.scale == .perTensor(0.5))
    }

    @Test("dense block types hold ternary weights where they have one magnitude")
    func blocks() throws {
        let plain = PlainTernary(rows: 5, columns: 96, scale: .perTensor(0.5), seed: 7)
        // Q4_0 clips +a to 7/8 a; what it meant is known, since it has three codes only.
        try check(try source(.q4_0, plain, try encoded(.q4_0, weights(plain))), plain)
        let eight = try source(.q8_0, plain, try encoded(.q8_0, weights(plain)))
        let matrix = try eight.pack(layout: .t2, pool: pool)
        #expect((0..<5).flatMap { matrix.trits(ofRow: $0) } == plain.trits)
        guard case .perTensor(let beta) = matrix.scale else {
            Issue.record("\(matrix)")
            return
        }
        #expect(abs(beta - 0.5) < 0.5 / 1024)
        // Q5_0 by its definition: d = -a / 16, code 0 is a, 16 is 0, 31 is the clipped -a.
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: plain.trits.count, by: 32) {
            bytes += try encoded(.f16, [-0.5 / 16])
            let codes = plain.trits[start..<start + 32].map { $0 > 0 ? 0 : $0 == 0 ? 16 : 31 }
            let high = codes.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.1 >> 4) << $1.0 }
            bytes += (0..<4).map { UInt8(truncatingIfNeeded: high >> (8 * $0)) }
            bytes += (0..<16).map { UInt8(codes[$0] & 15 | (codes[$0 + 16] & 15) << 4) }
        }
        try check(try source(.q5_0, plain, bytes), plain)
    }

    @Test("dense weights that are not ternary are refused with the error of rounding them")
    func notTernary() throws {
        let plain = PlainTernary(rows: 4, columns: 256, scale: .perTensor(1), seed: 8)
        let values = randomFloats(1024, seed: 9)
        for type in [ElementType.f32, .f16, .q8_0, .q4_0, .q6_K] {
            let bytes = try encoded(type, values)
            for masters in [MasterWeights.requireTernary, .keepTernary] {
                let source = try source(type, plain, bytes, masters: masters)
                let error = failure { () throws(BitNetError) in
                    try source.pack(layout: .t2, pool: pool)
                }
                let isMaster = masters == .keepTernary && [.f32, .f16].contains(type)
                guard case .notTernary("w", let share)? = error else {
                    #expect(isMaster && error == nil, "\(type)")
                    continue
                }
                #expect(!isMaster && share > 0.1 && share < 0.5, "\(type): \(share)")
            }
            let lossy = try source(type, plain, bytes, masters: .approximate).plan(pool)
            #expect(lossy.roundingError > 0.1)
        }
    }

    @Test("interleaved rows take their scales with them")
    func interleaved() throws {
        let plain = PlainTernary(
            rows: 16, columns: 64, scale: .perGroup(size: 32, halves(32)), seed: 10)
        let values = weights(plain)
        // Two heads of eight rows, as converters write them.
        let order = (0..<16).map { $0 / 8 * 8 + ($0 % 2 == 0 ? $0 % 8 / 2 : $0 % 8 / 2 + 4) }
        let rows = order.flatMap { values[$0 * 64..<($0 + 1) * 64] }
        let source = TernarySource(
            tensor: try CheckpointTensor(
                name: "w", type: .f16, shape: [16, 64],
                region: ByteRegion(try encoded(.f16, rows))),
            rows: 16, columns: 64, scaleTensor: nil, direction: .multiply,
            masters: .requireTernary, interleavedHeads: 2)
        try check(source, plain)
    }
}
