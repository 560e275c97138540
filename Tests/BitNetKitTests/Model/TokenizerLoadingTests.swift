import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Loading a tokenizer")
struct TokenizerLoadingTests {
    private func location(_ folder: TemporaryFolder) -> URL { URL(fileURLWithPath: folder.path) }

    private func sentencePiece() throws -> Data {
        try SentencePieceTests.Fixture.load().sentencePiece
    }

    @Test("a folder with only tokenizer.model loads, and so does that file")
    func modelOnly() throws {
        let folder = try TemporaryFolder()
        let path = location(folder).appendingPathComponent("tokenizer.model")
        try sentencePiece().write(to: path)
        for url in [location(folder), path] {
            let tokenizer = try Tokenizer.load(from: url)
            #expect(tokenizer.vocabularySize == 400)
            #expect(try tokenizer.decode(tokenizer.encode("the file")) == "the file")
        }
        let more = #"{"<|im_start|>": 400}"#
        try Data(more.utf8).write(to: location(folder).appendingPathComponent("added_tokens.json"))
        let tokenizer = try Tokenizer.load(from: location(folder))
        #expect(tokenizer.vocabularySize == 401)
        #expect(try tokenizer.encode("<|im_start|>") == [400])
    }

    @Test("tokenizer.json is preferred to tokenizer.model")
    func preferred() throws {
        let folder = try TemporaryFolder()
        try sentencePiece().write(to: location(folder).appendingPathComponent("tokenizer.model"))
        try TokenizerFixtures.data("tokenizer-tiny.json")
            .write(to: location(folder).appendingPathComponent("tokenizer.json"))
        #expect(try Tokenizer.load(from: location(folder)).vocabularySize == 320)
    }

    @Test("a file that is no tokenizer, and a folder without one, say so")
    func neither() throws {
        let folder = try TemporaryFolder()
        #expect {
            try Tokenizer.load(from: location(folder))
        } throws: {
            "\($0)".contains("neither tokenizer.json nor tokenizer.model")
        }
        let url = location(folder).appendingPathComponent("tokenizer.model")
        try Data("no tokenizer at all\n".utf8).write(to: url)
        #expect {
            try Tokenizer.load(from: url)
        } throws: {
            guard case .unsupportedFormat? = $0 as? BitNetError else { return false }
            return true
        }
    }

    @Test(
        "Llama 3's ranks load from a folder, with tokenizer_config.json or without",
        .enabled(if: ReferenceData.isAvailable))
    func ranks() throws {
        let url = try #require(ReferenceData.url("tokenizers/llama3-tokenizer.model"))
        let folder = try TemporaryFolder()
        try FileManager.default.copyItem(
            at: url, to: location(folder).appendingPathComponent("tokenizer.model"))
        let tokenizer = try Tokenizer.load(from: location(folder))
        #expect(tokenizer.vocabularySize == 128_256 && tokenizer.beginOfText == 128_000)
        #expect(tokenizer.endTokens == [128_001, 128_009])
        let config = #"{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}"#
        try Data(config.utf8).write(
            to: location(folder).appendingPathComponent("tokenizer_config.json"))
        let configured = try Tokenizer.load(from: location(folder))
        #expect(configured.endOfText == 128_009 && configured.addsBeginOfText)
        #expect(try configured.encode("Hello world!") == [9906, 1917, 0])
    }
}
