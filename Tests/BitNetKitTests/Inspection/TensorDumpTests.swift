import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Bytes of single tensors")
struct TensorDumpTests {
    /// Every checkpoint with ternary weights: those of the package, and of the reference data.
    static let checkpoints =
        TinyModel.all + ReferenceCheckpoint.all.map(\.path)
        + ["iq1_bn", "iq2_bn", "iq2_bn_r4"].compactMap { ReferenceData.url("ik/\($0).gguf") }

    @Test("the trits of every ternary tensor are those that a model gets", arguments: checkpoints)
    func sameTrits(url: URL) throws {
        let checkpoint = try Checkpoint(opening: url.path)
        for tensor in checkpoint.tensors where tensor.meantShape.count == 2 {
            let shape = tensor.meantShape
            let dump = try TensorDump.read(url, tensor: tensor.name, rows: 0..<shape[0])
            guard dump.code != nil else { continue }
            let expected = try decoded(tensor)
            var found = [Int8?](repeating: nil, count: shape[0] * shape[1])
            for group in dump.groups {
                let zeros = zip(group.runs, group.scales).flatMap { run, scale in
                    [Bool](repeating: scale == 0, count: run.count)
                }
                var index = 0
                for run in group.runs {
                    for column in run.column..<run.column + run.count {
                        let place = run.row * shape[1] + column
                        #expect(found[place] == nil)
                        // Weights with the scale 0 are zeros, whatever their codes.
                        found[place] = zeros[index] ? 0 : group.trits[index]
                        index += 1
                    }
                }
                #expect(index == group.values.count)
            }
            #expect(found == expected.map(Optional.some), "\(tensor.name)")
        }
    }

    /// The trits in the order of the file.
    private func decoded(_ tensor: CheckpointTensor) throws -> [Int8] {
        let shape = tensor.meantShape
        let source = TernarySource(
            tensor: tensor, rows: shape[0], columns: shape[1],
            scaleTensor: tensor.type == .packedTernary
                ? try CheckpointTensor(
                    name: "scale", type: .f32, shape: [1], region: ByteRegion(floatBytes([1])))
                : nil,
            direction: .multiply, masters: .requireTernary, interleavedHeads: 0)
        let matrix = try source.pack(layout: .t2, pool: Compute.standard.pool)
        return (0..<matrix.rows).flatMap { matrix.trits(ofRow: $0) }
    }

    @Test("values are trits times the scale that a model has", arguments: TinyModel.all)
    func sameScales(url: URL) throws {
        let model = try BitNetModel(loading: url, options: LoadOptions(sparsity: .off))
        let weight = model.transformer.blocks[0].feedForward.down.weight
        let names = try Checkpoint(opening: url.path).tensorNames
        let name = try #require(
            names.first {
                $0.hasSuffix("0.ffn_down.weight") || $0.hasSuffix("0.mlp.down_proj.weight")
            })
        let dump = try TensorDump.read(url, tensor: name, rows: 0..<weight.rows)
        for group in dump.groups {
            #expect(group.scales.allSatisfy { $0 == weight.scale.largest || $0 == 0 })
            for (trit, value) in zip(group.trits, group.values) {
                #expect(value == trit.map { $0 == 0 ? 0 : Float($0) * weight.scale.largest })
            }
        }
    }

    @Test("floats and blocks of floats are decoded, and bytes are those of the file")
    func floats() throws {
        for url in TinyModel.all {
            let checkpoint = try Checkpoint(opening: url.path)
            for tensor in checkpoint.tensors where tensor.type.isFloatLike {
                let dump = try TensorDump.read(url, tensor: tensor.name)
                guard dump.code == nil else { continue }
                let values = dump.groups.flatMap(\.values)
                let row = tensor.shape.last ?? 1
                #expect(
                    Array(values.prefix(row))
                        == (try tensor.floats().prefix(row).map(Optional.some)))
                let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: dump.path)))
                for group in dump.groups {
                    let end = group.offset + group.bytes.count
                    #expect(Array(file[group.offset..<end]) == group.bytes)
                }
            }
        }
    }

    @Test("code 3 is shown as no trit, with no value, and the others stay")
    func invalid() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model[tensor: "blk.0.ffn_up.weight"].bytes[5] = 0xC0
        let url = try model.write(to: folder)
        let dump = try TensorDump.read(url, tensor: "blk.0.ffn_up.weight")
        let group = try #require(dump.groups.first)
        #expect(group.trits[5] == nil && group.values[5] == nil)
        #expect(group.trits.count { $0 == nil } == 1)
        #expect("\(dump)".contains("x---"))
    }

    @Test("rows that are not there, and names that are not, say what there is")
    func missing() throws {
        let url = TinyModel.bitnetGGUF
        let rows = #expect(throws: BitNetError.self) {
            try TensorDump.read(url, tensor: "blk.0.ffn_up.weight", rows: 5..<100_000)
        }
        #expect(rows.map { "\($0)".contains("which has rows 0..<") } == true)
        let name = #expect(throws: BitNetError.self) {
            try TensorDump.read(url, tensor: "blk.0.ffn_upp.weight")
        }
        #expect(name.map { "\($0)".contains("'blk.0.") } == true)
    }

    @Test("text fits 80 columns and says what is where", arguments: TinyModel.all)
    func text(url: URL) throws {
        for tensor in try Checkpoint(opening: url.path).tensors where tensor.shape.count == 2 {
            let dump = try TensorDump.read(url, tensor: tensor.name, rows: 1..<2)
            for line in dump.shown(values: true).dropFirst() {
                #expect(line.plain.count <= 80, "\(line.plain)")
            }
            #expect("\(dump)".contains("row"))
        }
    }

    @Test("what was read goes to JSON and back")
    func coded() throws {
        let dump = try TensorDump.read(TinyModel.llamaGGUF, tensor: "blk.0.attn_k.weight")
        let data = try JSONEncoder().encode(dump)
        #expect(try JSONDecoder().decode(TensorDump.self, from: data) == dump)
    }
}

@Suite("Loose bytes")
struct ByteReadingsTests {
    @Test("each code reads every byte as its decoder does", arguments: ElementType.ternaryBlocks)
    func asDecoded(type: ElementType, code: TritCode, byte: Int, weights: [Int]) throws {
        let trits = try AlignedBuffer<Int8>(count: 256, purpose: "test")
        let scales = try AlignedBuffer<Float>(count: 4, purpose: "test")
        for value in UInt8.min ... .max {
            var bytes = [UInt8](repeating: 0, count: 80)
            bytes[byte] = value
            let bad = bytes.withUnsafeBytes { bytes -> Int? in
                switch type {
                case .i2_s:
                    Codec.decodeI2S(bytes, columns: 256, range: 0..<256, into: trits.view)
                case .iq1_bn:
                    Codec.decodeRows(type, bytes, columns: 64, range: 0..<1, into: trits.view)
                default: Codec.decodeTQ(type, bytes, into: trits.view, scales: scales.view)
                }
            }
            let read = code.trits(of: value)
            #expect((bad != nil) == read.contains(nil))
            if bad == nil { #expect(weights.map { trits.view[$0] } == read.compactMap(\.self)) }
        }
    }

    @Test("T5 and T2 read the bytes that the packer writes", arguments: [TernaryLayout.t5, .t2])
    func asPacked(layout: TernaryLayout) throws {
        let (count, columns) = layout == .t5 ? (5, 160) : (4, 128)
        let code = layout == .t5 ? TritCode.t5 : .lowBitsFirst
        var seen: Set<UInt8> = []
        for number in 0..<(layout == .t5 ? 243 : 81) {
            var digits: [Int8] = []
            var rest = number
            for _ in 0..<count {
                digits.append(Int8(rest % 3) - 1)
                rest /= 3
            }
            let matrix = try TernaryMatrix(
                rows: 4, columns: columns, scale: .perTensor(1), layout: layout
            ) { _, column in Trit(rawValue: digits[column / 32]) ?? .zero }
            let byte = matrix.trits.storage.view[0]
            #expect(code.trits(of: byte) == digits.map(Optional.some))
            seen.insert(byte)
        }
        let valid = (UInt8.min ... .max).filter { !code.trits(of: $0).contains(nil) }
        #expect(seen == Set(valid))
    }

    @Test("4B is -1, +1, 0, +1, +1 in TQ1_0 and -1, 0, +1, +1, -1 in plain base 3")
    func byte4B() {
        #expect(TritCode.tq1_0.trits(of: 0x4B) == [-1, 1, 0, 1, 1])
        #expect(TritCode.base3.trits(of: 0x4B) == [-1, 0, 1, 1, -1])
        #expect(TritCode.iq1_bn.trits(of: 0x4B) == [1, 1, 0, 1, -1])
        #expect((UInt8.min ... .max).count { TritCode.base3.trits(of: $0).contains(nil) } == 13)
    }

    @Test("halves are those of the decoder, all 65536")
    func halves() throws {
        let bytes = (0..<65536).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        let values = try AlignedBuffer<Float>(count: 65536, purpose: "test")
        bytes.withUnsafeBytes { Codec.decode(.f16, $0, into: values.view) }
        for (bits, value) in values.array.enumerated() {
            let half = Float(half: UInt16(bits))
            #expect(half.bitPattern == value.bitPattern || (half.isNaN && value.isNaN))
        }
    }

    @Test("hexadecimal digits in the usual spellings; anything else is refused")
    func spelling() throws {
        for text in ["4B 3C", "4b3c", "0x4B, 0x3C", " 4B\n3C "] {
            #expect(try ByteReadings.bytes(hexadecimal: text) == [0x4B, 0x3C])
        }
        for text in ["", "4", "4B 3", "zz", "4B-3C", "٤B"] {
            #expect(throws: BitNetError.self) { try ByteReadings.bytes(hexadecimal: text) }
        }
    }

    @Test("the article's examples: what they are, and which bytes would be right")
    func article() throws {
        let halves = ArticleExample.all[0]
        func rounded(_ readings: ByteReadings?) -> [Float] {
            (readings?.halves ?? []).compactMap(\.self).map { ($0 * 1e4).rounded() / 1e4 }
        }
        #expect(rounded(halves.readings) == [1.0723, -1.9346, 2.0352, 0.9849])
        #expect(rounded(halves.correction) == [0.1235, -0.4561, 2.502, 0.0078])
        let packed = ArticleExample.all[2]
        let twoBits = try #require(packed.readings.readings.first { $0.code == .highBitsFirst })
        #expect(twoBits.trits[0].allSatisfy { $0 == nil })
        #expect(twoBits.trits[1] == [-1, -1, -1, -1] && twoBits.trits[3] == [0, 0, 0, 0])
        #expect(twoBits.trits[2] == [1, 1, 1, 1])
        let right = packed.correction?.readings.first { $0.code == .highBitsFirst }
        #expect(right?.trits == [[1, 1, 1, 1], [0, 0, 0, 0], [-1, 1, -1, 1]])
        for example in ArticleExample.all {
            for line in example.shown { #expect(line.plain.count <= 80, "\(line.plain)") }
        }
    }
}

extension ElementType {
    /// A type with a byte of its block and the weights in it.
    fileprivate static let ternaryBlocks: [(ElementType, TritCode, Int, [Int])] = [
        (.tq1_0, .tq1_0, 3, (0..<5).map { 32 * $0 + 3 }),
        (.tq1_0, .tq1_0, 40, (0..<5).map { 168 + 16 * $0 }),
        (.tq2_0, .lowBitsFirst, 35, (0..<4).map { 131 + 32 * $0 }),
        (.i2_s, .highBitsFirst, 34, (0..<4).map { 130 + 32 * $0 }),
        (.iq1_bn, .iq1_bn, 2 + 4, (0..<5).map { 21 + $0 }),
    ]
}
