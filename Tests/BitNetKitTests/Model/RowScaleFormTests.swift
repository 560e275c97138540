import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

extension IKTernary {
    var type: ElementType {
        switch self {
        case .iq1_bn: .iq1_bn
        case .iq2_bn: .iq2_bn
        case .iq2_bn_r4: .iq2_bn_r4
        }
    }
}

/// IQ1_BN, IQ2_BN and IQ2_BN_R4 of ik_llama.cpp.
@Suite("Matrices whose rows begin with their scale")
struct RowScaleFormTests {
    private let pool = Compute.standard.pool

    private func source(
        _ format: IKTernary, _ bytes: [UInt8], rows: Int, columns: Int, heads: Int = 0
    ) throws(BitNetError) -> TernarySource {
        TernarySource(
            tensor: try CheckpointTensor(
                name: "w", type: format.type, shape: [rows, columns], region: ByteRegion(bytes)),
            rows: rows, columns: columns, scaleTensor: nil, direction: .multiply,
            masters: .requireTernary, interleavedHeads: heads)
    }

    private func trits(_ matrix: TernaryMatrix) -> [Int8] {
        (0..<matrix.rows).flatMap { matrix.trits(ofRow: $0) }
    }

    /// Positive scales that float16 holds exactly.
    private func halves(_ count: Int) -> [Float] { (0..<count).map { Float(65 + $0 % 63) / 512 } }

    @Test("with a scale a row and with one a matrix", arguments: IKTernary.allCases)
    func scales(_ format: IKTernary) throws {
        // More rows than a chunk, and columns that are no multiple of 256.
        for (rows, columns) in [(4, 64), (136, 192), (72, 640)] {
            for scale in [TernaryScale.perRow(halves(rows)), .perTensor(0.75)] {
                let plain = PlainTernary(rows: rows, columns: columns, scale: scale, seed: 1)
                let scales =
                    scale.values.count == 1 ? .init(repeating: 0.75, count: rows) : halves(rows)
                let bytes = format.encode(plain.trits, columns: columns, scales: scales)
                for layout in TernaryLayout.allCases {
                    let matrix = try source(format, bytes, rows: rows, columns: columns)
                        .pack(layout: layout, pool: pool)
                    #expect(matrix.scale == scale)
                    #expect(trits(matrix) == plain.trits)
                    let x = randomFloats(columns, seed: 4)
                    #expect(try matrix.multiply(x, kernels: .best) == plain.multiply(x))
                }
            }
        }
    }

    @Test("rows with the scale 0 are zeros, whatever their trits", arguments: IKTernary.allCases)
    func zeroRows(_ format: IKTernary) throws {
        let (rows, columns) = (72, 128)
        let plain = PlainTernary(rows: rows, columns: columns, scale: .perTensor(1), seed: 2)
        let zeros: Set = [0, 1, 7, 66, 71]
        let written = plain.trits.enumerated().map { zeros.contains($0 / columns) ? -1 : $1 }
        let wanted = plain.trits.enumerated().map { zeros.contains($0 / columns) ? 0 : $1 }
        for (common, scale) in [(true, TernaryScale.perTensor(0.5)), (false, .perRow([]))] {
            let scales = (0..<rows).map { row -> Float in
                zeros.contains(row) ? 0 : common ? 0.5 : halves(rows)[row]
            }
            let matrix = try source(
                format, format.encode(written, columns: columns, scales: scales), rows: rows,
                columns: columns
            ).pack(layout: .t2, pool: pool)
            #expect(trits(matrix) == wanted)
            #expect(matrix.scale == (common ? scale : .perRow(scales)))
        }
    }

    @Test(
        "interleaved heads take their scales with them, also heads that are not whole groups of rows",
        arguments: IKTernary.allCases, [4, 6, 8])
    func heads(_ format: IKTernary, _ head: Int) throws {
        let (rows, columns) = (4 * head, 64)
        let plain = PlainTernary(
            rows: rows, columns: columns, scale: .perRow(halves(rows)), seed: 3)
        // As converters write them: 0, d/2, 1, d/2 + 1, ...
        let order = (0..<rows).map {
            $0 / head * head + ($0 % head % 2 == 0 ? $0 % head / 2 : $0 % head / 2 + head / 2)
        }
        let bytes = format.encode(
            order.flatMap { plain.trits[$0 * columns..<($0 + 1) * columns] }, columns: columns,
            scales: order.map { halves(rows)[$0] })
        let matrix = try source(format, bytes, rows: rows, columns: columns, heads: 4)
            .pack(layout: .t2, pool: pool)
        #expect(trits(matrix) == plain.trits)
        #expect(matrix.scale == plain.scale)
    }

    @Test("a code that is no trit is refused with its weight", arguments: IKTernary.allCases)
    func invalidCodes(_ format: IKTernary) throws {
        let (rows, columns) = (132, 192)
        let plain = PlainTernary(rows: rows, columns: columns, scale: .perTensor(1), seed: 4)
        let bytes = format.encode(
            plain.trits, columns: columns, scales: .init(repeating: 1, count: rows))
        for (row, column) in [(0, 0), (3, 70), (65, 160), (131, 176)] {
            let place = format.place(row: row, column: column, columns: columns)
            var damaged = bytes
            // In IQ1_BN all digits of a byte go together: these columns are the first of theirs.
            damaged[place.byte] =
                format == .iq1_bn ? 237 : damaged[place.byte] | 3 << UInt8(2 * place.digit)
            let first = format == .iq1_bn ? column - place.digit : column
            let error = failure { () throws(BitNetError) in
                try source(format, damaged, rows: rows, columns: columns)
                    .pack(layout: .t2, pool: pool)
            }
            #expect(error?.isCorruptTensor == true && error?.tensor == "w")
            #expect(error?.description.contains("weight \(row * columns + first) has") == true)
        }
    }

    @Test("a scale that is negative or no number is refused", arguments: IKTernary.allCases)
    func invalidScales(_ format: IKTernary) throws {
        let (rows, columns) = (8, 64)
        let bytes = format.encode(
            [Int8](repeating: 0, count: rows * columns), columns: columns,
            scales: .init(repeating: 1, count: rows))
        let start =
            format == .iq2_bn_r4
            ? 4 * format.rowBytes(columns: 64) + 4 : 5 * format.rowBytes(columns: 64)
        // The upper bytes of -1, infinity and NaN; both types have sign and exponent there.
        for upper in [[0x80, 0xBF], [0x80, 0x7F], [0xC0, 0x7F]] as [[UInt8]] {
            var damaged = bytes
            damaged.replaceSubrange(
                start + format.scaleBytes - 2..<start + format.scaleBytes, with: upper)
            let error = failure { () throws(BitNetError) in
                try source(format, damaged, rows: rows, columns: columns)
                    .pack(layout: .t2, pool: pool)
            }
            #expect(error?.isCorruptTensor == true)
            #expect(error?.description.contains("a scale is") == true)
        }
    }

    @Test("bytes of any kind give trits or a typed error", arguments: IKTernary.allCases)
    func noise(_ format: IKTernary) throws {
        let (rows, columns) = (68, 128)
        var generator = SplitMix64(seed: 5)
        var refused = 0
        for share in [1, 50, 100_000] as [UInt64] {
            var bytes = format.encode(
                [Int8](repeating: 0, count: rows * columns), columns: columns,
                scales: .init(repeating: 1, count: rows))
            for index in bytes.indices where generator.next() % share == 0 {
                bytes[index] = UInt8(truncatingIfNeeded: generator.next())
            }
            do throws(BitNetError) {
                let matrix = try source(format, bytes, rows: rows, columns: columns)
                    .pack(layout: .t2, pool: pool)
                #expect(trits(matrix).allSatisfy { (-1...1).contains($0) })
            } catch {
                #expect(error.isCorruptTensor)
                refused += 1
            }
        }
        #expect(refused >= 1)
    }

    @Test("bytes and shapes that do not fit are refused", arguments: IKTernary.allCases)
    func sizes(_ format: IKTernary) throws {
        let width = format.rowBytes(columns: 128)
        #expect(format.type.storedByteCount(shape: [8, 128]) == 8 * width)
        #expect(format.type.storedByteCount(shape: [2, 4, 128]) == 8 * width)
        #expect(format.type.storedByteCount(shape: [0, 128]) == 0)
        #expect(format.type.storedByteCount(shape: [4, 0]) == 0)
        // Only whole blocks, and of R4 whole groups of rows.
        let isGrouped = format == .iq2_bn_r4
        for shape in [[6, 128], [1, 128], [128]] {
            let rows = shape.count == 1 ? 1 : shape[0]
            #expect(format.type.storedByteCount(shape: shape) == (isGrouped ? nil : rows * width))
        }
        for shape in [[4, 96], [4, 32], [], [.max, 64], [1 << 32, 1 << 32], [4, -64]] {
            #expect(format.type.storedByteCount(shape: shape) == nil, "\(shape)")
        }
        for count in [0, 4 * width - 1, 4 * width + 1] {
            let error = failure { () throws(BitNetError) in
                try source(
                    format, [UInt8](repeating: 0, count: count), rows: 4, columns: 128)
            }
            #expect(error?.isMalformedFile == true)
        }
        let other = try source(
            format, [UInt8](repeating: 0, count: 8 * width), rows: 8, columns: 128)
        let transposed = TernarySource(
            tensor: other.tensor, rows: 16, columns: 64, scaleTensor: nil, direction: .multiply,
            masters: .requireTernary, interleavedHeads: 0)
        let error = failure { () throws(BitNetError) in try transposed.plan(pool) }
        #expect(error?.isShapeMismatch == true)
    }

    @Test("ids of GGUF files", arguments: zip(IKTernary.allCases, [134, 135, 335] as [UInt32]))
    func ids(_ format: IKTernary, _ id: UInt32) throws {
        func open(_ dimensions: [UInt64], _ count: Int) throws(BitNetError) -> CheckpointTensor? {
            var raw = RawGGUF()
            raw.tensor("w", dimensions, type: id, offset: 0)
            raw.data = [UInt8](repeating: 1, count: count)
            return try raw.open().tensor(named: "w")
        }
        let width = format.rowBytes(columns: 64)
        let tensor = try open([64, 4], 4 * width)
        #expect(tensor?.type == format.type && tensor?.shape == [4, 64])
        #expect(GGUFTensorType.id(of: format.type) == id)
        // Too few bytes, far too many, and columns that are no whole block.
        let refused: [(dimensions: [UInt64], count: Int)] = [
            ([64, 4], 4 * width - 1), ([64, 4], 8 * width), ([32, 4], 512),
        ]
        for (dimensions, count) in refused {
            let error = failure { () throws(BitNetError) in try open(dimensions, count) }
            #expect(error?.isMalformedFile == true)
            #expect(error?.description.contains("'w'") == true)
        }
        let error = failure { () throws(BitNetError) in try open([64, 3], 3 * width) }
        #expect(error?.isMalformedFile == (format == .iq2_bn_r4 ? true : nil))
    }
}
