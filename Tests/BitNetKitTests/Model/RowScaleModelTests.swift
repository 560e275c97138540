import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Whole models in the types of ik_llama.cpp.
@Suite("Models in ik_llama.cpp's types are the models they were made from")
struct RowScaleModelTests {
    /// The model with every ternary matrix as a type of ik_llama.cpp, and one row of each zero; and
    /// the same weights in the type that the model has.
    private func models(
        _ format: IKTernary, from url: URL, in folder: TemporaryFolder
    ) throws -> (theirs: URL, ours: URL) {
        let loaded = try BitNetModel(loading: url)
        var (theirs, ours) = (try EditableGGUF(url), try EditableGGUF(url))
        for tensor in theirs.tensors where tensor.type == .tq2_0 || tensor.type == .i2_s {
            let (rows, columns) = (tensor.shape[0], tensor.shape[1])
            let matrix = try TernarySource(
                tensor: try CheckpointTensor(
                    name: tensor.name, type: tensor.type, shape: tensor.shape,
                    region: ByteRegion(tensor.bytes)),
                rows: rows, columns: columns, scaleTensor: nil, direction: .multiply,
                masters: .requireTernary, interleavedHeads: 0
            ).pack(layout: .t2, pool: loaded.transformer.compute.pool)
            // A float16, so that every type holds it.
            let scale = Float(0.09375)
            var trits = (0..<rows).flatMap { matrix.trits(ofRow: $0) }
            let empty = 5 * columns..<6 * columns
            trits.replaceSubrange(empty, with: repeatElement(0, count: columns))
            ours[tensor: tensor.name].type = .f32
            ours[tensor: tensor.name].bytes = floatBytes(trits.map { Float($0) * scale })
            // The writer's own trits for a row of zeros, whose scale is 0.
            trits.replaceSubrange(empty, with: repeatElement(-1, count: columns))
            theirs[tensor: tensor.name].type = format.type
            theirs[tensor: tensor.name].bytes = format.encode(
                trits, columns: columns, scales: (0..<rows).map { $0 == 5 ? 0 : scale })
        }
        return (
            try theirs.write(to: folder, "theirs.gguf"), try ours.write(to: folder, "ours.gguf")
        )
    }

    @Test(
        "they load with the same bits and convert to our types", arguments: IKTernary.allCases,
        TinyModel.files)
    func models(_ format: IKTernary, _ url: URL) throws {
        let folder = try TemporaryFolder()
        let (theirs, ours) = try models(format, from: url, in: folder)
        let file = try GGUFFile(opening: theirs.path)
        let count = 7 * (try BitNetModel(loading: url).configuration.layerCount)
        #expect(file.tensors.count { $0.type == format.type } == count)
        #expect(try TinyModel.haveSameLogits(theirs, ours))
        let holdsBlocks = url == TinyModel.llamaGGUF
        let types: [ElementType] = [.i2_s, .f32, .f16, .bf16, .q8_0]
        for type in types + (holdsBlocks ? [.tq1_0, .tq2_0, .q6_K] : []) {
            let target = URL(fileURLWithPath: folder.file("converted.gguf"))
            let report = try BitNetConverter.convert(
                from: theirs, to: target, options: ConversionOptions(ternary: type))
            let ternary = report.tensors.filter { $0.scale != nil }
            #expect(ternary.count == count)
            for entry in ternary {
                #expect(entry.sourceType == format.type && entry.type == type)
                #expect(entry.scale == 0.09375 && entry.scaleCount == 1 && entry.relativeError == 0)
            }
            #expect(report.table.contains(format.rawValue))
            #expect(try TinyModel.haveSameLogits(target, ours))
            let ids = try GGUFFile(opening: target.path).tensors.map(\.type)
            #expect(!ids.contains(format.type))
        }
    }

    @Test("nothing is converted to them", arguments: IKTernary.allCases)
    func targets(_ format: IKTernary) throws {
        let folder = try TemporaryFolder()
        let (theirs, _) = try models(format, from: TinyModel.bitnetGGUF, in: folder)
        for source in [theirs, TinyModel.bitnetGGUF, TinyModel.bitnetFolder] {
            for options in [
                ConversionOptions(ternary: format.type),
                ConversionOptions(embedding: format.type),
            ] {
                let target = URL(fileURLWithPath: folder.file("never.gguf"))
                let error = failure { () throws(BitNetError) in
                    try BitNetConverter.convert(from: source, to: target, options: options)
                }
                #expect(error?.isInvalidArgument == true)
                #expect(error?.description.contains("\(format.rawValue)") == true)
            }
        }
        #expect(try folder.names == ["ours.gguf", "theirs.gguf"])
    }

    @Test("split files have them too, and each part is checked", arguments: IKTernary.allCases)
    func split(_ format: IKTernary) throws {
        let folder = try TemporaryFolder()
        let (theirs, ours) = try models(format, from: TinyModel.bitnetGGUF, in: folder)
        let whole = try EditableGGUF(theirs)
        let middle = whole.tensors.count / 2
        var urls: [URL] = []
        for (number, range) in [0..<middle, middle..<whole.tensors.count].enumerated() {
            var part = whole
            if number > 0 { part.metadata = [] }
            part["split.no"] = .uint16(UInt16(number))
            part["split.count"] = .uint16(2)
            part["split.tensors.count"] = .int32(Int32(whole.tensors.count))
            part.tensors = Array(whole.tensors[range])
            urls.append(try part.write(to: folder, "m-0000\(number + 1)-of-00002.gguf"))
        }
        for url in urls { #expect(try TinyModel.haveSameLogits(url, ours)) }
        // The second part ends in the middle of its last tensor.
        let bytes = try Data(contentsOf: urls[1])
        try bytes.dropLast(600).write(to: urls[1])
        let error = failure { () throws(BitNetError) in try TinyModel.logits(urls[0]) }
        #expect(error?.isMalformedFile == true)
        #expect(error?.description.contains("m-00002-of-00002.gguf") == true)
    }

    @Test(
        "the embedding may be IQ4_NL, as ik_llama.cpp stores it beside an LM head",
        arguments: TinyModel.files)
    func unevenLevels(_ url: URL) throws {
        let levels: [Float] = [
            -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
        ]
        let folder = try TemporaryFolder()
        var (theirs, ours) = (try EditableGGUF(url), try EditableGGUF(url))
        var generator = SplitMix64(seed: 7)
        for name in ["token_embd.weight", "output.weight"]
        where theirs.tensors.contains(where: { $0.name == name }) {
            let count = theirs[tensor: name].shape.reduce(1, *)
            var (bytes, values): ([UInt8], [Float]) = ([], [])
            for _ in 0..<count / 32 {
                let codes = (0..<32).map { _ in Int(generator.next() % 16) }
                bytes += [0x00, 0x1C]  // 2^-8 as float16
                bytes += (0..<16).map { UInt8(codes[$0] | codes[$0 + 16] << 4) }
                values += codes.map { levels[$0] / 256 }
            }
            theirs[tensor: name].type = .iq4_nl
            theirs[tensor: name].bytes = bytes
            ours[tensor: name].type = .f32
            ours[tensor: name].bytes = floatBytes(values)
        }
        let file = try theirs.write(to: folder, "theirs.gguf")
        #expect(try TinyModel.haveSameLogits(file, ours.write(to: folder, "ours.gguf")))
        // Kept as it is, or decoded.
        let converted = try convert(file, in: folder)
        #expect(try GGUFFile(opening: converted.path).tensors.contains { $0.type == .iq4_nl })
        #expect(try TinyModel.haveSameLogits(converted, file))
        let decoded = try convert(file, in: folder, embedding: .f32)
        #expect(try TinyModel.haveSameLogits(decoded, file))
        let error = failure { () throws(BitNetError) in
            try convert(file, in: folder, embedding: .iq4_nl)
        }
        #expect(error?.isInvalidArgument == true)
    }

    @Test("an embedding or a norm in them is refused by the type", arguments: IKTernary.allCases)
    func dense(_ format: IKTernary) throws {
        for name in ["token_embd.weight", "output_norm.weight"] {
            let error = try failure(of: TinyModel.bitnetGGUF) { model in
                let shape = model[tensor: name].shape
                let columns = shape[shape.count - 1]
                let rows = shape.count == 1 ? 4 : shape[0]
                model[tensor: name].shape = shape.count == 1 ? [4, columns] : shape
                model[tensor: name].type = format.type
                model[tensor: name].bytes = format.encode(
                    .init(repeating: 1, count: rows * columns), columns: columns,
                    scales: .init(repeating: 1, count: rows))
            }
            let isNorm = name == "output_norm.weight"
            #expect(isNorm ? error?.isShapeMismatch == true : error?.isUnsupportedFormat == true)
            #expect(error?.description.contains("'\(name)'") == true)
            if !isNorm { #expect(error?.description.contains("is \(format.rawValue);") == true) }
        }
    }
}

// MARK: - The reference files

@Suite(
    "Files that ik_llama.cpp has written",
    .enabled(if: ReferenceData.isAvailable, "reference data not found"))
struct IKReferenceTests {
    private func url(_ path: String) throws -> URL { try #require(ReferenceData.url(path)) }

    private func logits(_ url: URL) throws -> [[Float]] {
        let expected = try #require(
            ReferenceCheckpoint.all.first { $0.name == "bitnet-tied gguf-i2_s-embd-f16" })
        let model = try BitNetModel(loading: url)
        var rows: [[Float]] = []
        for sequence in try expected.expected().sequences {
            rows += try InferenceContext(
                model.transformer, contextLength: sequence.tokens.count, cache: .f32
            ).allLogits(sequence.tokens)
        }
        return rows
    }

    @Test("trits and scales are those of the source", arguments: IKTernary.allCases)
    func weights(_ format: IKTernary) throws {
        let theirs = try BitNetModel(
            loading: try url("ik/\(format.rawValue.lowercased()).gguf"))
        let ours = try BitNetModel(loading: try url("bitnet-tied/packed"))
        var count = 0
        for (a, b) in zip(theirs.transformer.blocks, ours.transformer.blocks) {
            for (a, b) in zip(a.linearLayers, b.linearLayers) {
                for row in 0..<a.weight.rows {
                    let isSame = a.weight.trits(ofRow: row) == b.weight.trits(ofRow: row)
                    #expect(isSame)
                }
                count += a.weight.rows * a.weight.columns
                guard case .perTensor(let found) = a.weight.scale,
                    case .perTensor(let scale) = b.weight.scale
                else {
                    Issue.record("\(a.weight)")
                    return
                }
                #expect(format == .iq1_bn ? abs(found - scale) <= scale / 2048 : found == scale)
            }
        }
        // Neurons that have no weights are not packed.
        let silent = ours.silentNeurons.reduce(0, +) * 3 * ours.configuration.hiddenSize
        #expect(count + silent == 1_179_648)
    }

    @Test("logits are those of the same weights in our types, bit for bit")
    func sameBits() throws {
        let folder = try TemporaryFolder()
        let plain = try url("bitnet-tied/gguf/i2_s-embd-f16.gguf")
        let exact = try logits(plain)
        for name in ["iq2_bn", "iq2_bn_r4"] {
            let file = try url("ik/\(name).gguf")
            #expect(try logits(file) == exact)
            #expect(try logits(convert(file, in: folder)) == exact)
        }
        // Scales as float16, which TQ2_0 has as well.
        let rounded = try logits(convert(plain, in: folder, to: .tq2_0))
        let file = try url("ik/iq1_bn.gguf")
        #expect(try logits(file) == rounded)
        for type in [ElementType.i2_s, .tq1_0, .tq2_0] {
            #expect(try logits(convert(file, in: folder, to: type)) == rounded)
        }
    }

    @Test("a file that is written again has the same bytes", arguments: IKTernary.allCases)
    func rewritten(_ format: IKTernary) throws {
        let folder = try TemporaryFolder()
        let original = try url("ik/\(format.rawValue.lowercased()).gguf")
        try GGUFWriterTests.copy(
            try GGUFFile(opening: original.path), to: folder.file("copy.gguf"), part: 100_000)
        let copy = try Data(contentsOf: URL(fileURLWithPath: folder.file("copy.gguf")))
        let isSame = try copy == Data(contentsOf: original)
        #expect(isSame)
    }
}
