import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Texts that use every rule of the tokenizer.
private let texts = [
    "", " ", "Hello world", "Once upon a time, there was a little girl.", "1234567 89",
    "don't WE'LL 'S", "naïve café – “quotes”", "日本語のテキスト 中文 한국어", "🙂👩‍👩‍👧 emoji",
    "tabs\tand\n\nnew lines \r\n  and   spaces   ", "<|begin_of_text|>a<|eot_id|>b<|end_of_text|>",
    "e\u{301} \u{FEFF}\u{200B}\u{17F}",
]

@Suite("Converted models are the same models")
struct ConverterTests {
    /// Largest error of each type, relative to the largest magnitude of a row.
    private static let tolerances: [(type: ElementType, share: Float)] = [
        (.f32, 0), (.bf16, 0.004), (.f16, 0.0005), (.q8_0, 0.0045), (.q4_0, 0.133), (.q6_K, 0.034),
    ]

    /// Whether two models have the same matrices; scales may differ by their rounding to float16.
    private func compare(_ a: URL, _ b: URL, halfScales: Bool) throws {
        let (a, b) = (try BitNetModel(loading: a), try BitNetModel(loading: b))
        for (left, right) in zip(a.transformer.blocks, b.transformer.blocks) {
            for (x, y) in zip(left.linearLayers, right.linearLayers) {
                let isSame = packed(x.weight) == packed(y.weight)
                #expect(isSame, "[\(x.weight.rows), \(x.weight.columns)]")
                guard case .perTensor(let from) = x.weight.scale,
                    case .perTensor(let to) = y.weight.scale
                else {
                    Issue.record("several scales")
                    continue
                }
                #expect(abs(from - to) <= (halfScales ? from / 2048 : 0))
            }
        }
    }

    @Test(
        "logits have the same bits in every format a model fits",
        arguments: [ElementType.i2_s, .tq1_0, .tq2_0])
    func sameLogits(_ type: ElementType) throws {
        let folder = try TemporaryFolder()
        for source in TinyModel.files + [TinyModel.bitnetFolder] {
            if type != .i2_s && source != TinyModel.llamaGGUF { continue }
            let target = try convert(source, in: folder, to: type)
            #expect(try TinyModel.haveSameLogits(target, source))
            try compare(source, target, halfScales: false)
        }
    }

    @Test("rows of queries and keys are interleaved as in the reference's own GGUF file")
    func interleaving() throws {
        let source = try TemporaryFolder()
        let url = try llamaAsFolder().write(to: source)
        // The folder divides by the reciprocal, so that scales differ in the last bit.
        let folder = try TemporaryFolder()
        let target = try convert(url, in: folder, to: .tq2_0)
        try compare(url, target, halfScales: true)
        let (mine, reference) = (try EditableGGUF(target), try EditableGGUF(TinyModel.llamaGGUF))
        var compared = 0
        for tensor in reference.tensors where tensor.type == .tq2_0 {
            let isSame = mine[tensor: tensor.name].bytes == tensor.bytes
            #expect(isSame, "\(tensor.name)")
            compared += 1
        }
        #expect(compared == 14)
        #expect(try TinyModel.haveSameLogits(target, TinyModel.llamaGGUF))
        let exact = try convert(url, in: folder, to: .i2_s)
        #expect(try TinyModel.haveSameLogits(exact, url))
    }

    @Test("a GGUF file converted to its own format keeps every tensor byte for byte")
    func ownFormat() throws {
        let folder = try TemporaryFolder()
        for (source, type) in [
            (TinyModel.llamaGGUF, ElementType.tq2_0), (TinyModel.bitnetGGUF, .i2_s),
        ] {
            let target = try EditableGGUF(try convert(source, in: folder, to: type))
            for tensor in try EditableGGUF(source).tensors {
                let count = tensor.bytes.count - (type == .i2_s && tensor.type == .i2_s ? 28 : 0)
                #expect(target[tensor: tensor.name].type == tensor.type)
                let isSame =
                    target[tensor: tensor.name].bytes.prefix(count) == tensor.bytes.prefix(count)
                #expect(isSame, "\(tensor.name)")
            }
            let isSame = try tokenizerBytes(target) == tokenizerBytes(EditableGGUF(source))
            #expect(isSame)
        }
    }

    /// Everything a file says about its tokenizer, as bytes.
    private func tokenizerBytes(_ file: EditableGGUF) throws -> [UInt8] {
        let entries = file.metadata.filter { $0.key.hasPrefix("tokenizer.") }
        #expect(entries.count >= 8)
        return try GGUFHeaderWriter(metadata: entries, tensors: []).bytes
    }

    @Test("a chain of formats ends with the bytes it began with")
    func chain() throws {
        let folder = try TemporaryFolder()
        let first = try convert(TinyModel.llamaGGUF, in: folder, to: .tq1_0, name: "1.gguf")
        let second = try convert(first, in: folder, to: .i2_s, name: "2.gguf")
        let third = try convert(second, in: folder, to: .tq2_0, name: "3.gguf")
        let direct = try convert(TinyModel.llamaGGUF, in: folder, to: .tq2_0, name: "4.gguf")
        #expect(try Data(contentsOf: third) == Data(contentsOf: direct))
    }

    @Test(
        "embeddings and heads load in every format, as exact as it is",
        arguments: tolerances)
    func embeddings(_ type: ElementType, _ tolerance: Float) throws {
        let folder = try TemporaryFolder()
        let source = try BitNetModel(loading: TinyModel.llamaGGUF).transformer
        let url = try convert(TinyModel.llamaGGUF, in: folder, embedding: type)
        let target = try BitNetModel(loading: url).transformer
        for (a, b) in [(source.embedding, target.embedding), (source.lmHead, target.lmHead)] {
            #expect(b.type == type)
            for row in 0..<a.rows {
                let (x, y) = (a.row(row), b.row(row))
                let largest = x.map(abs).max() ?? 0
                let worst = zip(x, y).map { abs($0 - $1) }.max() ?? .infinity
                #expect(worst <= tolerance * largest)
            }
        }
        #expect(try TinyModel.logits(url).allSatisfy { $0.allSatisfy(\.isFinite) })
    }

    @Test("the tokenizer of a folder gives the same ids and texts from the GGUF file")
    func tokenizer() throws {
        let folder = try TemporaryFolder()
        let sources = [TinyModel.bitnetFolder] + TinyModel.files
        for source in sources {
            let before = try Tokenizer.load(from: source)
            let after = try Tokenizer.load(from: try convert(source, in: folder))
            for text in texts {
                for special in [false, true] {
                    let ids = try before.encode(text, special: special)
                    #expect(try after.encode(text, special: special) == ids)
                    #expect(after.decode(ids) == before.decode(ids))
                }
            }
            for id in 0..<before.vocabularySize {
                #expect(after.bytes(of: id) == before.bytes(of: id))
            }
            #expect(after.vocabularySize == before.vocabularySize)
            #expect(after.beginOfText == before.beginOfText)
            #expect(after.addsBeginOfText == before.addsBeginOfText)
            #expect(after.endOfText == before.endOfText)
            #expect(after.endTokens.isSuperset(of: before.endTokens))
        }
    }

    @Test("the report says what was written")
    func report() throws {
        let folder = try TemporaryFolder()
        let target = URL(fileURLWithPath: folder.file("x.gguf"))
        let report = try BitNetConverter.convert(from: TinyModel.bitnetFolder, to: target)
        let file = try GGUFFile(opening: target.path)
        #expect(report.tensors.map(\.name) == file.tensors.map(\.name))
        #expect(report.byteCount == (try Data(contentsOf: target)).count)
        #expect(report.tensors.filter { $0.scale != nil }.count == 14)
        #expect(try folder.names == ["x.gguf"])
    }

    @Test(
        "reference checkpoints keep their logits as I2_S",
        .enabled(if: ReferenceData.isAvailable, "reference data not found"),
        arguments: ReferenceCheckpoint.all(in: ReferenceData.root))
    func reference(_ checkpoint: ReferenceCheckpoint) throws {
        let folder = try TemporaryFolder()
        let configuration = try ModelConfiguration(try Checkpoint(opening: checkpoint.path.path))
        let target = Result { () throws(BitNetError) in
            try convert(checkpoint.path, in: folder)
        }
        if configuration.architecture == .llama && configuration.hasLinearNorms {
            #expect(throws: BitNetError.self) { try target.get() }
            return
        }
        #expect(try TinyModel.haveSameLogits(try target.get(), checkpoint.path))
    }
}
