import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Saved sessions")
struct SessionSavingTests {
    private let options = GenerationOptions(maximumResponseTokens: 8)

    /// Saved by an earlier version, after an answer of four tokens to "A cat".
    @Test(
        "sessions of earlier versions load, and go on as a fresh prompt would",
        arguments: [
            ("bitnet", "reference/bitnet-untied/packed", 0xdfd4_a347_41a7_7fce as UInt64),
            ("gemma3", "gemma3", 0xbd89_11e5_e65a_a877),
        ])
    func earlierVersion(_ name: String, _ path: String, _ fingerprint: UInt64) async throws {
        let model = try await BitNetModel.load(Fixtures.url(path))
        #expect(model.fingerprint == fingerprint)
        let session = try await BitNetSession.restore(
            from: Fixtures.url("sessions/\(name).session"), model: model)
        #expect(await session.messages.map(\.role) == [.user, .assistant])
        #expect(await session.messages.first?.content == "A cat")
        let expected = try await session.fresh(" And", options)
        let found = try await session.respond(to: " And", options: options)
        #expect(found.tokens == expected.tokens)
        #expect(found.statistics.cachedPromptTokens > 4)
    }

    @Test("what a graph depends on is in its fingerprint, its name is not")
    func fingerprintFields() throws {
        let model = try BitNetModel(loading: Fixtures.url("gemma3"))
        let tokenizer = try model.tokenizer
        func fingerprint(_ change: (inout ModelConfiguration) -> Void) -> UInt64 {
            var configuration = model.configuration
            change(&configuration)
            let t = model.transformer
            return BitNetModel(
                Transformer(
                    configuration, compute: t.compute, embedding: t.embedding, blocks: t.blocks,
                    finalNorm: t.finalNorm, lmHead: t.lmHead),
                tokenizer: .success(tokenizer)
            ).fingerprint
        }
        #expect(fingerprint { $0.name = "another" } == model.fingerprint)
        let changes: [(inout ModelConfiguration) -> Void] = [
            { $0.architecture = .qwen3 }, { $0.contextLength += 1 }, { $0.normEpsilon *= 2 },
            { $0.linearNormEpsilon *= 2 }, { $0.ropeBase *= 2 }, { $0.activation = .silu },
            { $0.activation = .squaredReLU }, { $0.hasLinearNorms.toggle() },
            { $0.isLMHeadTied.toggle() }, { $0.scaleDirection = .divide },
            { $0.quantizesMasters.toggle() }, { $0.endTokens.append(3) }, { $0.beginToken = 9 },
            { $0.queryScalar = 3 }, { $0.slidingAttention = nil },
            { $0.slidingAttention?.window += 1 }, { $0.slidingAttention?.ropeBase *= 2 },
            { $0.slidingAttention?.layers[0].toggle() },
            {
                $0.ropeScaling = RopeScaling(
                    factor: 2, lowFrequencyFactor: 1, highFrequencyFactor: 4,
                    originalContextLength: 8)
            },
        ]
        let all = changes.map(fingerprint) + [model.fingerprint]
        #expect(Set(all).count == all.count)
    }

    @Test(
        "a restored session goes on as if it had never stopped",
        arguments: SessionModel.allCases, KVCachePrecision.allCases)
    func roundTrip(_ kind: SessionModel, _ cache: KVCachePrecision) async throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let session = try BitNetSession(
            model: try await kind.load(), instructions: "A story:", context: 300, cache: cache)
        for prompt in tenPrompts.prefix(3) {
            _ = try await session.respond(to: prompt, options: options)
        }
        try await session.save(to: file)
        // Loaded anew, as after a restart.
        let restored = try await BitNetSession.restore(from: file, model: kind.load())
        #expect(await restored.messages == session.messages)
        #expect(restored.context == 300)
        #expect(restored.cache == cache)
        #expect(restored.memory.tokens == session.memory.tokens)
        let afresh = try await session.fresh(" And", options)
        let expected = try await session.respond(to: " And", options: options)
        let found = try await restored.respond(to: " And", options: options)
        #expect(found.tokens == expected.tokens)
        #expect(found.tokens == afresh.tokens)
        #expect(found.statistics.cachedPromptTokens == expected.statistics.cachedPromptTokens)
        #expect(found.statistics.cachedPromptTokens > 0)
        #expect(try restored.memory.logits() == session.memory.logits())
    }

    @Test("a sliding window is restored with what it has left out")
    func slidingWindow() async throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let model = try await BitNetModel.sample()
        let session = try BitNetSession(
            model: model, context: 40, overflow: .slidingWindow(sinks: 3, keeping: 20))
        for prompt in tenPrompts { _ = try await session.respond(to: prompt, options: options) }
        try #require(session.memory.dropped > 0)
        try await session.save(to: file)
        let restored = try await BitNetSession.restore(from: file, model: model)
        #expect(restored.memory.dropped == session.memory.dropped)
        #expect(restored.memory.sliding == session.memory.sliding)
        let expected = try await session.respond(to: " And", options: options)
        let found = try await restored.respond(to: " And", options: options)
        #expect(found.tokens == expected.tokens)
        #expect(found.statistics.cachedPromptTokens == expected.statistics.cachedPromptTokens)
    }

    @Test("an empty session is saved and restored")
    func empty() async throws {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let model = try await BitNetModel.sample()
        try await BitNetSession(model: model).save(to: file)
        let restored = try await BitNetSession.restore(from: file, model: model)
        #expect(await restored.messages.isEmpty)
        #expect(try await restored.respond(to: "A", options: options).tokens.count == 8)
    }

    /// A small saved session.
    private func saved(_ model: BitNetModel) async throws -> Data {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        let session = try BitNetSession(model: model, context: 64)
        _ = try await session.respond(
            to: "A cat", options: GenerationOptions(maximumResponseTokens: 2))
        try await session.save(to: file)
        return try Data(contentsOf: file)
    }

    private func restoring(_ data: Data, _ model: BitNetModel) async -> BitNetError? {
        let file = temporaryFile()
        defer { try? FileManager.default.removeItem(at: file) }
        do {
            try data.write(to: file)
            _ = try await BitNetSession.restore(from: file, model: model)
            return nil
        } catch {
            return error as? BitNetError
        }
    }

    @Test("a file that is damaged anywhere or cut off anywhere is a typed error")
    func damaged() async throws {
        let model = try await SessionModel.chat.load()
        let data = try await saved(model)
        #expect(await restoring(data, model) == nil)
        let places = Array(stride(from: 0, to: data.count, by: 13))
        for place in places + [data.count - 8, data.count - 1] where place < data.count {
            var damaged = data
            damaged[place] ^= place % 2 == 0 ? 1 : 0x80
            #expect(await restoring(damaged, model) != nil, "byte \(place)")
        }
        for length in Array(stride(from: 0, to: 200, by: 7)) + [
            data.count / 2, data.count - 9, data.count - 1,
        ] {
            #expect(await restoring(data.prefix(length), model) != nil, "\(length) bytes")
        }
        #expect(await restoring(data + [0], model) != nil)
    }

    @Test("numbers that make no sense are typed errors even if the checksum is right")
    func forged() async throws {
        let model = try await SessionModel.chat.load()
        let data = try await saved(model)
        // Many 8 bytes of the header become huge, negative or zero, one after the other.
        let header = 20..<min(230, data.count - 16)
        for value in [UInt64.max, 1 << 31, 0] {
            for place in stride(from: header.lowerBound, to: header.upperBound, by: 3) {
                var forged = data
                withUnsafeBytes(of: value.littleEndian) {
                    forged.replaceSubrange(place..<place + 8, with: $0)
                }
                _ = await restoring(Self.sealed(forged), model)
            }
        }
        var context = data
        withUnsafeBytes(of: UInt64.max.littleEndian) {
            context.replaceSubrange(20..<28, with: $0)
        }
        #expect(await restoring(Self.sealed(context), model) != nil)
        #expect(await restoring(Self.sealed(data), model) == nil)
        #expect(
            await restoring(Self.sealed(data.dropLast(12) + [UInt8](repeating: 0, count: 8)), model)
                != nil)
    }

    @Test("keys and values that are not finite are the session's fault, and not the model's")
    func notFinite() async throws {
        let model = try await SessionModel.chat.load()
        let data = try await saved(model)
        for value in [Float.nan, .infinity, -.infinity] {
            var forged = data
            // The last numbers before the checksum.
            for place in stride(from: data.count - 16, to: data.count - 8, by: 4) {
                withUnsafeBytes(of: value.bitPattern.littleEndian) {
                    forged.replaceSubrange(place..<place + 4, with: $0)
                }
            }
            let error = await restoring(Self.sealed(forged), model)
            #expect(error?.description.contains("not a finite number") == true)
        }
    }

    /// The same with the checksum that it should have.
    private static func sealed(_ data: Data) -> Data {
        var checksum = Checksum()
        checksum.update(Array(data.dropLast(8)))
        var writer = ByteWriter()
        writer.write(checksum.value)
        return data.dropLast(8) + writer.bytes
    }

    @Test("another model's session, another file and another version are named as such")
    func foreign() async throws {
        let chat = try await SessionModel.chat.load()
        let sample = try await BitNetModel.sample()
        let data = try await saved(chat)
        guard case .unsupportedFormat(_, let detail, _) = await restoring(data, sample) else {
            Issue.record("another model is not noticed")
            return
        }
        #expect(detail.contains("another model"))
        guard case .malformedFile = await restoring(Data("GGUF and more".utf8), sample) else {
            Issue.record("another file is not noticed")
            return
        }
        var later = data
        later[8] = 3
        guard case .unsupportedFormat(_, let version, _) = await restoring(later, chat) else {
            Issue.record("a later version is not noticed")
            return
        }
        #expect(version.contains("version 3"))
        await #expect(throws: BitNetError.self) {
            _ = try await BitNetSession.restore(from: temporaryFile(), model: sample)
        }
    }

    @Test("saving where it is not possible is an error, and the session goes on")
    func unwritable() async throws {
        let session = try BitNetSession(model: try await .sample())
        let folder = FileManager.default.temporaryDirectory
        await #expect(throws: BitNetError.self) { try await session.save(to: folder) }
        await #expect(throws: BitNetError.self) {
            try await session.save(to: folder.appendingPathComponent("no/such/folder/file"))
        }
        #expect(try await session.respond(to: "A", options: options).tokens.count == 8)
    }

    @Test("only a session, or an empty file, is replaced")
    func replaced() async throws {
        let folder = try TemporaryFolder()
        let session = try BitNetSession(model: try await .sample())
        let model = try Data(contentsOf: TinyModel.bitnetGGUF)
        for content in [model, Data("a letter".utf8), Data("BNK".utf8)] {
            let url = URL(fileURLWithPath: folder.file("other"))
            try content.write(to: url)
            await #expect(throws: BitNetError.self) { try await session.save(to: url) }
            #expect(try Data(contentsOf: url) == content)
        }
        let url = URL(fileURLWithPath: folder.file("empty"))
        try Data().write(to: url)
        for _ in 0..<2 { try await session.save(to: url) }
        #expect(try folder.names == ["empty", "other"])
    }

    @Test("a new file can be read by its owner alone; one that is replaced keeps its mode")
    func modes() async throws {
        let folder = try TemporaryFolder()
        let session = try BitNetSession(model: try await .sample())
        func mode(_ path: String) -> mode_t {
            var status = stat()
            return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
        }
        let new = folder.file("new")
        try await session.save(to: URL(fileURLWithPath: new))
        #expect(mode(new) == 0o600)
        symlink("behind", folder.file("link"))
        try await session.save(to: URL(fileURLWithPath: folder.file("link")))
        #expect(mode(folder.file("behind")) == 0o600)
        for bits in [0o640, 0o600, 0o644] as [mode_t] {
            chmod(new, bits)
            try await session.save(to: URL(fileURLWithPath: new))
            #expect(mode(new) == bits)
        }
        #expect(try folder.names == ["behind", "link", "new"])
        let saved = try Data(contentsOf: URL(fileURLWithPath: new))
        #expect(saved == (try Data(contentsOf: URL(fileURLWithPath: folder.file("behind")))))
    }

    @Test("a model's fingerprint depends on the model alone")
    func fingerprints() async throws {
        let url = try BitNetSampleModel.url
        let sample = try await BitNetModel.load(url).fingerprint
        for layout in TernaryLayout.allCases {
            for set in KernelSet.available {
                let options = LoadOptions(
                    threads: 1, instructionSet: set.name, layout: layout)
                #expect(try await BitNetModel.load(url, options: options).fingerprint == sample)
            }
        }
        let others = ReferenceCheckpoint.all(in: Fixtures.url("reference"))
        var all = [sample]
        for other in others { all.append(try await BitNetModel.load(other.path).fingerprint) }
        #expect(Set(all).count == all.count)
        #expect(all.count >= 4)
    }

    @Test("a checksum does not depend on how the bytes are split, and sees every bit")
    func checksum() {
        let bytes = (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        func checksum(_ parts: [ArraySlice<UInt8>]) -> UInt64 {
            var checksum = Checksum()
            for part in parts { checksum.update(Array(part)) }
            return checksum.value
        }
        let whole = checksum([bytes[...]])
        for split in 0...100 {
            #expect(checksum([bytes[..<split], bytes[split...]]) == whole)
        }
        #expect(checksum(bytes.indices.map { bytes[$0...$0] }) == whole)
        var seen: Set<UInt64> = [whole]
        for bit in 0..<800 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            seen.insert(checksum([damaged[...]]))
        }
        for length in 0..<100 { seen.insert(checksum([bytes[..<length]])) }
        seen.insert(checksum([(bytes + [0])[...]]))
        #expect(seen.count == 902)
    }
}
