import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetTokenizers
@testable import TernaryCompute

/// BITNET_TOKENIZERS says how many tokenizers of each kind.
@Suite("A tokenizer's way through GGUF")
struct TokenizerConversionTests {
    private static let count =
        ProcessInfo.processInfo.environment["BITNET_TOKENIZERS"].flatMap { Int($0) } ?? 400

    @Test("is refused with what it would lose, or changes nothing", arguments: [0, 1, 2])
    func random(_ kind: Int) throws {
        var source = RandomTokenizers(seed: UInt64(kind * 1000 + Self.count))
        var (converted, refused) = (0, [String: Int]())
        for _ in 0..<Self.count {
            let (name, tokenizer) = try next(kind, &source)
            guard let tokenizer else { continue }
            let vocabulary: GGUFVocabulary
            do throws(BitNetError) {
                vocabulary = try tokenizer.ggufVocabulary(architecture: "llama")
            } catch {
                #expect(error.description.contains("GGUF"))
                refused[error.description, default: 0] += 1
                continue
            }
            converted += 1
            let copy = try readBack(vocabulary)
            if let change = try change(of: tokenizer, in: copy, &source) {
                Issue.record("\(change): \(name)")
                return
            }
        }
        if ProcessInfo.processInfo.environment["BITNET_TOKENIZERS"] != nil {
            for (error, count) in refused.sorted(by: { $0.value > $1.value }).prefix(40) {
                print("\(count) \(error)")
            }
            print("\(converted) of \(Self.count) converted")
        }
        #expect(converted > Self.count / 8)
    }

    /// The next tokenizer of a kind, nil if it is refused, and what it is made of.
    private func next(
        _ kind: Int, _ source: inout RandomTokenizers
    ) throws -> (String, Tokenizer?) {
        switch kind {
        case 0:
            let (json, config) = try source.files()
            return (
                text(json) + text(config), try? Tokenizer(json: json, config: config)
            )
        case 1:
            let (model, config) = try source.sentencePiece()
            return (
                model.base64EncodedString() + text(config),
                try? Tokenizer(model: model, config: config)
            )
        default:
            let (model, config) = try source.tiktoken()
            return (text(model) + text(config), try? Tokenizer(model: model, config: config))
        }
    }

    private func text(_ data: Data) -> String { String(decoding: data, as: UTF8.self) }

    /// The tokenizer of a GGUF file with a vocabulary.
    private func readBack(_ vocabulary: GGUFVocabulary) throws -> Tokenizer {
        let path = FileManager.default.temporaryDirectory.path + "/\(UUID().uuidString).gguf"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let writer = try GGUFWriter(
            path: path,
            metadata: [.init("general.architecture", .string("llama"))] + vocabulary.metadata,
            tensors: [])
        _ = try writer.finish()
        return try Tokenizer.load(from: URL(fileURLWithPath: path))
    }

    /// What is another in `copy`.
    private func change(
        of tokenizer: Tokenizer, in copy: Tokenizer, _ source: inout RandomTokenizers
    ) throws -> String? {
        let count = tokenizer.vocabularySize
        guard copy.vocabularySize == count else { return "\(copy.vocabularySize) tokens" }
        for id in 0..<count {
            if copy.bytes(of: id) != tokenizer.bytes(of: id) { return "bytes of \(id)" }
            if copy.isSpecial(id) != tokenizer.isSpecial(id) { return "what \(id) is" }
            let name = tokenizer.vocabulary.addedTexts[id].map {
                String(decoding: $0, as: UTF8.self)
            }
            if let name, copy.id(ofSpecial: name) != id { return "the name of \(id)" }
        }
        guard copy.beginOfText == tokenizer.beginOfText, copy.endOfText == tokenizer.endOfText,
            copy.addsBeginOfText == tokenizer.addsBeginOfText,
            copy.appendedTokens == tokenizer.appendedTokens
        else { return "what is around a text" }
        for _ in 0..<12 {
            let text = source.text()
            for special in [false, true] {
                let ids = try tokenizer.encode(text, special: special)
                let other = try copy.encode(text, special: special)
                if ids != other { return "\(text.debugDescription) \(special) \(ids) \(other)" }
                if tokenizer.decode(ids) != copy.decode(ids) { return "decoded \(ids)" }
            }
            let ids = (0...5).map { _ in source.below(count) }
            for skips in [false, true]
            where !tokenizer.decode(ids, skippingSpecial: skips).utf8.elementsEqual(
                copy.decode(ids, skippingSpecial: skips).utf8)
            {
                return "decoded \(ids)"
            }
        }
        return nil
    }
}
