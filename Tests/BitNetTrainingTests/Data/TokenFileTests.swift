import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetTokenizers
@testable import BitNetTraining

@Suite("Token files")
struct TokenFileTests {
    private let folder: ScratchFolder
    private let documents = Stories.documents(30)
    private let tokenizer = Stories.tokenizer.tokenizer

    init() throws { folder = try ScratchFolder() }

    private func written(_ name: String = "tokens") throws -> TokenFile {
        try TokenFile.write(
            TrainingCorpus(documents: documents), tokenizer: tokenizer, to: folder.file(name))
    }

    @Test("documents are framed by begin and end of text, and read again")
    func roundTrip() throws {
        let file = try written()
        #expect(file.documentCount == 30 && file.vocabularySize == 400 && file.endOfText == 1)
        for (index, text) in documents.enumerated() {
            let ids = try file.tokens(in: file.tokenRange(ofDocument: index)).map { Int($0) }
            #expect(try ids == [0] + tokenizer.encode(text) + [1])
        }
        let opened = try TokenFile(opening: folder.file("tokens"), tokenizer: tokenizer)
        let all = 0..<file.tokenCount
        #expect(try opened.tokens(in: all) == file.tokens(in: all))
        #expect(opened.fingerprint == file.fingerprint)
        let memory = try TokenFile(TrainingCorpus(documents: documents), tokenizer: tokenizer)
        #expect(try memory.tokens(in: all) == file.tokens(in: all))
        #expect(memory.fingerprint == file.fingerprint)
        #expect(try folder.names == ["tokens"])
    }

    @Test("tokens stand for all bytes of the texts, special ones for none")
    func byteCounts() throws {
        let file = try written()
        let total = try file.tokens(in: 0..<file.tokenCount)
            .reduce(0) { $0 + Int(file.byteCounts[Int($1)]) }
        #expect(total == documents.joined().utf8.count)
    }

    @Test("a text has the same tokens after others as alone, however many there are")
    func keptWords() throws {
        // Words are forgotten several times, and some are too long to be kept.
        var encoder = DocumentEncoder(tokenizer, effort: .ofTask(), interval: 1000)
        for text in documents + [String(repeating: "z", count: 40), ""] + documents {
            #expect(try encoder.encode(text) == tokenizer.encode(text))
        }
    }

    @Test("special tokens written out in a text stay text")
    func specialText() throws {
        let text = "<|end_of_text|><|begin_of_text|>"
        let file = try TokenFile(TrainingCorpus(documents: [text]), tokenizer: tokenizer)
        let ids = try file.tokens(in: 0..<file.tokenCount)
        #expect(ids.first == 0 && ids.last == 1)
        #expect(ids.dropFirst().dropLast().allSatisfy { $0 > 1 })
        #expect(tokenizer.decode(ids.dropFirst().dropLast().map { Int($0) }) == text)
    }

    @Test("without a token before texts, or with one token for both, documents only end")
    func frames() throws {
        for begin in [nil, "<|end|>"] {
            let trainer = BytePairTrainer(
                vocabularySize: 257, specialTokens: ["<|end|>"], beginOfText: begin,
                endOfText: "<|end|>")
            let corpus = TrainingCorpus(documents: ["a", "b"])
            let tokenizer = try trainer.train(corpus).tokenizer
            let file = try TokenFile(corpus, tokenizer: tokenizer)
            let ids = try file.tokens(in: 0..<file.tokenCount).map { Int($0) }
            #expect(try ids == tokenizer.encode("a") + [0] + tokenizer.encode("b") + [0])
        }
    }

    @Test("more than 65,536 tokens take 32 bits each")
    func wide() throws {
        let more = (400..<66_000).map { "\"Zq\($0)\": \($0),\n" }.joined()
        let json = String(decoding: Stories.tokenizer.json, as: UTF8.self)
            .replacingOccurrences(of: "\"vocab\": {", with: "\"vocab\": {" + more)
            .replacingOccurrences(
                of: "\"added_tokens\": [",
                with: #""added_tokens": [{"id": 66000, "content": "<|far|>", "special": true},"#)
        let tokenizer = try Tokenizer(
            json: Data(json.utf8), config: Data(#"{"eos_token": "<|far|>"}"#.utf8))
        #expect(tokenizer.endOfText == 66_000 && tokenizer.vocabularySize == 66_001)
        let corpus = TrainingCorpus(documents: ["ab"])
        let url = folder.file("wide")
        let file = try TokenFile.write(corpus, tokenizer: tokenizer, to: url)
        let ids = try file.tokens(in: 0..<file.tokenCount).map { Int($0) }
        #expect(try ids == [0] + tokenizer.encode("ab") + [66_000])
        let header = try SafetensorsHeader(FileRegion(try InputFile(opening: url.path)))
        #expect(header.entries.map(\.dtype) == ["U64", "U32"])
    }

    @Test("a file of another tokenizer, or that is no token file, is refused")
    func others() throws {
        _ = try written()
        let corpus = TrainingCorpus(documents: Stories.documents(50))
        let smaller = try BytePairTrainer(vocabularySize: 399).train(corpus).tokenizer
        // The same tokens, other merges.
        let json = String(decoding: Stories.tokenizer.json, as: UTF8.self)
        let merges = try #require(json.range(of: #""merges": ["#))
        let rest = json[merges.upperBound...]
        let lines = rest.split(separator: "\n")
        let swapped =
            json[..<merges.upperBound] + "\n\(lines[1])\n\(lines[0])\n"
            + lines.dropFirst(2).joined(separator: "\n")
        let reordered = try Tokenizer(
            json: Data(swapped.utf8), config: Stories.tokenizer.config)
        let unframed = try Tokenizer(json: Stories.tokenizer.json, endTokens: [2])
        #expect(
            try Tokenizer(json: Stories.tokenizer.json, config: Stories.tokenizer.config)
                .fingerprint == tokenizer.fingerprint)
        for other in [smaller, reordered, unframed] {
            let error = bitNetError {
                _ = try TokenFile(opening: folder.file("tokens"), tokenizer: other)
            }
            guard case .tokenizer(let detail) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(detail.contains("written with another tokenizer"))
        }
        let header = #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
        var bytes = ByteWriter()
        bytes.write(UInt64(header.utf8.count))
        try Data(bytes.bytes + Array(header.utf8) + [0]).write(to: folder.file("other"))
        let error = bitNetError {
            _ = try TokenFile(opening: folder.file("other"), tokenizer: tokenizer)
        }
        guard case .unsupportedFormat = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("a damaged file is an error, or gives tokens of the vocabulary")
    func damaged() throws {
        let corpus = TrainingCorpus(documents: ["a b", "c"])
        _ = try TokenFile.write(corpus, tokenizer: tokenizer, to: folder.file("small"))
        let whole = [UInt8](try Data(contentsOf: folder.file("small")))
        var errors = 0
        func check(_ bytes: [UInt8]) {
            do throws(BitNetError) {
                let file = try TokenFile(FileRegion(ByteRegion(bytes)), tokenizer)
                let ids = try file.tokens(in: 0..<file.tokenCount)
                #expect(ids.allSatisfy { (0..<400).contains($0) })
            } catch {
                errors += 1
            }
        }
        check(whole)
        #expect(errors == 0)
        for length in 0..<whole.count {
            errors = 0
            check(Array(whole.prefix(length)))
            #expect(errors == 1, "\(length)")
        }
        errors = 0
        for place in whole.indices {
            for bit in 0..<8 {
                var bytes = whole
                bytes[place] ^= 1 << bit
                check(bytes)
            }
        }
        #expect(errors > whole.count * 6)
        // An id beyond the vocabulary, in the last token.
        errors = 0
        check(whole.dropLast() + [0xFF])
        #expect(errors == 1)
    }

    @Test("a file that is shortened or written to while it is used is an error")
    func changed() throws {
        for change in [{ truncate($0, 400) }, { truncate($0, 1 << 20) }] as [(String) -> Int32] {
            let file = try written()
            #expect(change(file.path) == 0)
            let error = bitNetError { _ = try file.tokens(in: 0..<file.tokenCount) }
            guard case .unreadable = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test("a file that is replaced stays the one that was opened")
    func replaced() throws {
        let file = try written()
        let before = try file.tokens(in: 0..<file.tokenCount)
        let other = try TokenFile.write(
            TrainingCorpus(documents: ["another"]), tokenizer: tokenizer,
            to: folder.file("tokens"))
        #expect(other.fingerprint != file.fingerprint)
        #expect(try file.tokens(in: 0..<file.tokenCount) == before)
    }

    @Test("nothing is left of a file that is not finished")
    func unfinished() async throws {
        let corpus = TrainingCorpus(documents: documents)
        let (tokenizer, url) = (tokenizer, folder.file("never"))
        let task = Task {
            bitNetError {
                try TokenFile.write(corpus, tokenizer: tokenizer, to: url) { _ in
                    withUnsafeCurrentTask { $0?.cancel() }
                }
            }
        }
        #expect(await task.value == .cancelled)
        let error = bitNetError {
            try TokenFile.write(TrainingCorpus(documents: [""]), tokenizer: tokenizer, to: url)
        }
        guard case .invalidArgument("corpus", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(try folder.names == [])
    }

    @Test("a tokenizer without an end of text is refused")
    func noEnd() throws {
        let endless = try Tokenizer(
            json: Data(
                String(decoding: Stories.tokenizer.json, as: UTF8.self)
                    .replacingOccurrences(of: "<|end_of_text|>", with: "<|x|>").utf8))
        let error = bitNetError {
            _ = try TokenFile(TrainingCorpus(documents: ["a"]), tokenizer: endless)
        }
        guard case .tokenizer = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("fingerprints are those of earlier versions, from any kind of file")
    func fingerprint() throws {
        let trained = try BytePairTrainer(vocabularySize: 280)
            .train(TrainingCorpus(documents: ["the cat sat on the mat, the cat"]))
        #expect(trained.tokenizer.fingerprint == 0xb5c5_dcd2_2e21_e28a)
        let gguf = try trained.tokenizer.ggufVocabulary(architecture: "bitnet-b1.58")
        #expect(try Tokenizer(gguf: gguf).fingerprint == trained.tokenizer.fingerprint)
    }
}
