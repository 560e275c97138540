import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Whole models whose matrices are stored in another form: the same bits come out.
@Suite("Models in other forms are the same models")
struct FileFormTests {
    /// The trits of a tensor of a TQ2_0 or I2_S file, flat, and its one scale.
    private func trits(_ tensor: EditableGGUF.Tensor) throws -> (trits: [Int8], scale: Float) {
        let source = TernarySource(
            tensor: try CheckpointTensor(
                name: tensor.name, type: tensor.type, shape: tensor.shape,
                region: ByteRegion(tensor.bytes)),
            rows: tensor.shape[0], columns: tensor.shape[1], scaleTensor: nil,
            direction: .multiply, masters: .requireTernary, interleavedHeads: 0)
        let matrix = try source.pack(layout: .t2, pool: Compute.standard.pool)
        guard case .perTensor(let scale) = matrix.scale else { return ([], 0) }
        return ((0..<matrix.rows).flatMap { matrix.trits(ofRow: $0) }, scale)
    }

    /// The model with every ternary matrix written by `form`.
    private func rewritten(
        _ url: URL, to folder: TemporaryFolder, as type: ElementType,
        _ form: ([Int8], Float, [Int]) throws -> [UInt8]
    ) throws -> URL {
        var model = try EditableGGUF(url)
        for tensor in model.tensors where tensor.type == .tq2_0 || tensor.type == .i2_s {
            let (trits, scale) = try trits(tensor)
            model[tensor: tensor.name].type = type
            model[tensor: tensor.name].bytes = try form(trits, scale, tensor.shape)
        }
        return try model.write(to: folder)
    }

    private func encoded(_ type: ElementType, _ trits: [Int8], _ scale: Float) throws -> [UInt8] {
        let values = try AlignedBuffer(trits.map { Float($0) * scale }, purpose: "test")
        let bytes = try AlignedBuffer<UInt8>(
            count: trits.count / type.block.elements * type.block.bytes, purpose: "test")
        Codec.encode(type, values.view, into: bytes.view)
        return bytes.array
    }

    @Test("as Q2_0 in groups of 64 and of 128, told apart by their size")
    func q2() throws {
        for (type, group) in [(ElementType.q2_0, 64), (.q2_0_128, 128)] {
            let folder = try TemporaryFolder()
            let url = try rewritten(TinyModel.llamaGGUF, to: folder, as: type) { trits, scale, _ in
                let half = try encoded(.f16, [1], scale)
                return stride(from: 0, to: trits.count, by: group).flatMap { start in
                    half
                        + stride(from: start, to: start + group, by: 4).map { byte in
                            (0..<4).reduce(0) { $0 | UInt8(trits[byte + $1] + 1) << (2 * $1) }
                        }
                }
            }
            let file = try GGUFFile(opening: url.path)
            #expect(file.tensors.filter { $0.type == type }.count == 14)
            #expect(try TinyModel.haveSameLogits(url, TinyModel.llamaGGUF))
            let target = try TemporaryFolder()
            #expect(try TinyModel.haveSameLogits(convert(url, in: target), TinyModel.llamaGGUF))
        }
    }

    @Test("id 42 means what the file has room for, and is refused where that tells nothing")
    func q2Sizes() throws {
        func type(
            _ architecture: String, _ shape: [UInt64], _ count: Int, padding: Int = 0
        ) throws(BitNetError) -> ElementType? {
            var raw = RawGGUF()
            raw.entry("general.architecture", string: architecture)
            raw.tensor("w", shape, type: 42, offset: 0)
            raw.data = [UInt8](repeating: 1, count: count) + [UInt8](repeating: 0, count: padding)
            return try raw.open().tensor(named: "w")?.type
        }
        #expect(try type("llama", [256, 64], 256 * 64 / 64 * 18) == .q2_0)
        #expect(try type("llama", [256, 64], 256 * 64 / 128 * 34) == .q2_0_128)
        #expect(try type("bitnet", [256, 64], 256 * 64 / 128 * 34) == .q2_0_128)
        #expect(try type("llama", [256, 64], 256 * 64 / 64 * 18, padding: 4096) == .q2_0)
        #expect(try type("llama", [256, 64], 256 * 64 / 128 * 34, padding: 100) == .q2_0_128)
        let refused: [(shape: [UInt64], count: Int, words: String)] = [
            ([256, 64], 64 * 64 + 32, "TL2, whose order"), ([256, 64], 5_000, "none of theirs"),
            ([100, 64], 1_600, "none of theirs"), ([128, 1], 64, "more than one of them"),
        ]
        for (shape, count, words) in refused {
            let error = failure { () throws(BitNetError) in try type("bitnet", shape, count) }
            #expect(error?.description.contains(words) == true, "\(String(describing: error))")
            #expect(error?.description.contains("'w' has type id 42") == true)
            #expect(error?.description.contains("convert the original") == true)
        }
    }

    @Test(
        "as F16, Q8_0 and Q6_K that `convert` writes, and back",
        arguments: [ElementType.f32, .f16, .q8_0, .q6_K, .tq1_0, .i2_s])
    func dense(_ type: ElementType) throws {
        let folder = try TemporaryFolder()
        let first = try convert(TinyModel.llamaGGUF, in: folder, to: type, name: "1.gguf")
        #expect(try TinyModel.haveSameLogits(first, TinyModel.llamaGGUF))
        let back = try convert(first, in: folder, to: .tq2_0, name: "2.gguf")
        let direct = try convert(TinyModel.llamaGGUF, in: folder, to: .tq2_0, name: "3.gguf")
        let isSame = try Data(contentsOf: back) == Data(contentsOf: direct)
        #expect(isSame)
    }

    @Test("as Q4_0, which llama-quantize falls back to")
    func fallback() throws {
        let folder = try TemporaryFolder()
        let url = try rewritten(TinyModel.bitnetGGUF, to: folder, as: .q4_0) { trits, _, _ in
            try encoded(.q4_0, trits, 0.5)
        }
        let plain = try TemporaryFolder()
        let other = try rewritten(TinyModel.bitnetGGUF, to: plain, as: .f32) { trits, _, _ in
            floatBytes(trits.map { Float($0) * 0.5 })
        }
        #expect(try TinyModel.haveSameLogits(url, other))
    }

    @Test("as I2_S in orders B and C, when told so", arguments: [I2SOrder.b, .c])
    func orders(_ order: I2SOrder) throws {
        let folder = try TemporaryFolder()
        let url = try rewritten(TinyModel.bitnetGGUF, to: folder, as: .i2_s) {
            trits, scale, shape in
            var bytes = [UInt8](repeating: 0, count: trits.count / 4)
            for (index, trit) in trits.enumerated() {
                let (row, column) = index.quotientAndRemainder(dividingBy: shape[1])
                let (byte, part) =
                    order == .b
                    ? (index / 64 * 16 + index % 16, index % 64 / 16)
                    : (row / 4 * shape[1] + column, row % 4)
                bytes[byte] |= UInt8(trit + 1) << UInt8(6 - 2 * part)
            }
            return bytes + floatBytes([scale]) + [UInt8](repeating: 0, count: 28)
        }
        var options = LoadOptions()
        options.i2sOrder = order
        let model = try BitNetModel(loading: url, options: options)
        let logits = try InferenceContext(model.transformer, contextLength: 8, cache: .f32)
            .allLogits(TinyModel.tokens)
        #expect(try logits == TinyModel.logits(TinyModel.bitnetGGUF))
        // Nothing in the file says so: without the option it is another model.
        #expect(try TinyModel.logits(url) != logits)
        let target = URL(fileURLWithPath: folder.file("converted.gguf"))
        _ = try BitNetConverter.convert(
            from: url, to: target, options: ConversionOptions(i2sOrder: order))
        #expect(try TinyModel.haveSameLogits(target, TinyModel.bitnetGGUF))
    }

    @Test("parts of an I2_S matrix in order C are those of the whole, for every width")
    func orderCInParts() throws {
        for columns in [96, 128, 256, 640] {
            let rows = 24
            let codes = (0..<rows * columns / 4).map { UInt8($0 * 37 % 81) }
            // Four base-3 digits, each as two bits.
            let bytes = codes.map { code -> UInt8 in
                (0..<4).reduce(0) { $0 << 2 | code / [27, 9, 3, 1][$1] % 3 }
            }
            let whole = try AlignedBuffer<Int8>(count: rows * columns, purpose: "test")
            let part = try AlignedBuffer<Int8>(count: 8 * columns, purpose: "test")
            bytes.withUnsafeBytes { bytes in
                #expect(
                    Codec.decodeI2S(
                        bytes, order: .c, columns: columns, range: 0..<rows * columns,
                        into: whole.view) == nil)
                for start in [0, 4, 8, 12, 16] {
                    let range = start * columns..<(start + 8) * columns
                    #expect(
                        Codec.decodeI2S(
                            bytes, order: .c, columns: columns, range: range, into: part.view)
                            == nil)
                    #expect(part.array == Array(whole.array[range]))
                }
            }
        }
    }

    @Test("with several scales a matrix, as TriLM has them")
    func shards() throws {
        // Every matrix in two shards: along its rows, or along its columns for o and down.
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.llamaGGUF)
        var shardRows: [String: [Float]] = [:]
        for tensor in model.tensors where tensor.type == .tq2_0 {
            let trits = try trits(tensor).trits
            let (rows, columns) = (tensor.shape[0], tensor.shape[1])
            let isColumns = tensor.name.contains("attn_output") || tensor.name.contains("ffn_down")
            let values = trits.enumerated().map { index, trit in
                let part = isColumns ? index % columns * 2 / columns : index / columns * 2 / rows
                return Float(trit) * (part == 0 ? 0.0625 : 0.09375)
            }
            shardRows[tensor.name] = values
            model[tensor: tensor.name].type = .f32
            model[tensor: tensor.name].bytes = floatBytes(values)
        }
        let url = try model.write(to: folder)
        let loaded = try BitNetModel(loading: url)
        guard case .perGroup(128, _) = loaded.transformer.blocks[0].attention.output.weight.scale,
            case .perRow = loaded.transformer.blocks[0].feedForward.up.weight.scale
        else {
            Issue.record("\(loaded.transformer.blocks[0].linearLayers.map(\.weight))")
            return
        }
        let f16 = try convert(url, in: folder, to: .f16, name: "f16.gguf")
        #expect(try TinyModel.haveSameLogits(f16, url))
        let error = failure { () throws(BitNetError) in try convert(url, in: folder) }
        #expect(error?.description.contains("several scales") == true)
    }

    @Test("scales are rounded to what a type holds, and the report says so")
    func rounding() throws {
        let folder = try TemporaryFolder()
        let target = URL(fileURLWithPath: folder.file("x.gguf"))
        for (type, limit) in [(ElementType.bf16, 1.0 / 65_536), (.f16, 1.0 / 4_194_304)] {
            let report = try BitNetConverter.convert(
                from: TinyModel.bitnetGGUF, to: target, options: ConversionOptions(ternary: type))
            let ternary = report.tensors.filter { $0.scale != nil }
            #expect(ternary.allSatisfy { $0.relativeError <= limit })
            #expect(ternary.contains { $0.relativeError > 0 })
            #expect(report.table.split(separator: "\n").count == report.tensors.count + 1)
        }
    }

    @Test("a model that is not ternary is converted only when that is asked for, with its error")
    func lossy() throws {
        let (source, folder) = (try TemporaryFolder(), try TemporaryFolder())
        var model = try EditableGGUF(TinyModel.llamaGGUF)
        let name = "blk.0.ffn_gate.weight"
        model[tensor: name].type = .f32
        model[tensor: name].bytes = floatBytes(randomFloats(256 * 256, seed: 3))
        let url = try model.write(to: source)
        let error = failure { () throws(BitNetError) in try convert(url, in: folder) }
        guard case .notTernary(name, let measured)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        let target = URL(fileURLWithPath: folder.file("x.gguf"))
        let report = try BitNetConverter.convert(
            from: url, to: target, options: ConversionOptions(allowsLossy: true))
        let entry = try #require(report.tensors.first { $0.name == name })
        #expect(abs(entry.relativeError - measured) < 1e-9)
        #expect(report.tensors.filter { $0.scale != nil && $0.relativeError > 0 }.count == 1)
        #expect(try TinyModel.logits(target).allSatisfy { $0.allSatisfy(\.isFinite) })
    }
}
