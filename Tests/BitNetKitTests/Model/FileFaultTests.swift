import Foundation
import Synchronization
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// What somebody does to a file that a model is, or was, loaded from.
enum FileFault: String, CaseIterable, Sendable {
    case emptied, halved, grown, overwritten, replaced, removed
    /// Overwritten, and then dated back to what it was, as copying tools do.
    case disguised
    /// Names and rights are no content.
    case renamed, linked, locked

    /// Whether bytes that were there when the file was opened are still what they were, and the size
    /// too.
    var leavesOpenFile: Bool {
        [.replaced, .removed, .renamed, .linked, .locked].contains(self)
    }

    func happen(to path: String) throws {
        let size = try #require(
            try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        switch self {
        case .emptied: #expect(truncate(path, 0) == 0)
        case .halved: #expect(truncate(path, off_t(size / 2)) == 0)
        case .grown: #expect(truncate(path, off_t(size + 4096)) == 0)
        case .overwritten:
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            try file.write(contentsOf: Data(repeating: 0xFF, count: size))
            try file.close()
        case .replaced:
            try Data("another file".utf8).write(to: URL(fileURLWithPath: path + ".new"))
            #expect(rename(path + ".new", path) == 0)
        case .removed: #expect(unlink(path) == 0)
        case .disguised:
            let date = try #require(
                try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date)
            // File systems may count in steps of some milliseconds.
            usleep(30_000)
            try FileFault.overwritten.happen(to: path)
            try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
        case .renamed: #expect(rename(path, path + ".new") == 0)
        case .linked: #expect(link(path, path + ".new") == 0)
        case .locked: #expect(chmod(path, 0o400) == 0)
        }
    }
}

/// A copy of a model that was last written to long ago.
private struct ModelCopy {
    let folder: TemporaryFolder
    let url: URL
    /// The file with the weights.
    let weights: String

    init(_ source: URL) throws {
        folder = try TemporaryFolder()
        url = URL(fileURLWithPath: folder.file(source.lastPathComponent))
        try FileManager.default.copyItem(at: source, to: url)
        let isFolder = !source.pathExtension.hasSuffix("gguf")
        weights = isFolder ? url.appendingPathComponent("model.safetensors").path : url.path
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: weights)
    }
}

private func logits(_ model: BitNetModel) throws(BitNetError) -> [[Float]] {
    try InferenceContext(model.transformer, contextLength: 8, cache: .f32)
        .allLogits(TinyModel.tokens)
}

@Suite("Files that change while, and after, a model is loaded")
struct FileFaultTests {
    @Test(
        "a loaded model does not care what becomes of its file",
        arguments: TinyModel.all, FileFault.allCases)
    func after(_ source: URL, _ fault: FileFault) throws {
        let copy = try ModelCopy(source)
        let model = try BitNetModel(loading: copy.url)
        let before = try logits(model)
        try fault.happen(to: copy.weights)
        #expect(try logits(model) == before)
    }

    @Test("a model keeps nothing of its file open or mapped", arguments: TinyModel.all)
    func nothingIsKept(_ source: URL) throws {
        let copy = try ModelCopy(source)
        let model = try BitNetModel(loading: copy.url)
        #expect(try uses(of: copy.folder.path).isEmpty)
        withExtendedLifetime(model) {}
    }

    @Test("progress counts dense matrices too, and never goes back", arguments: TinyModel.all)
    func progress(_ source: URL) throws {
        let fractions = Mutex<[Double]>([])
        let c = try BitNetModel(try Checkpoint(opening: source.path)) {
            let fraction = $0.fraction
            fractions.withLock { $0.append(fraction) }
        }.configuration
        let dense = c.vocabularySize * c.hiddenSize
        let all = c.ternaryWeightCount + dense * (c.isLMHeadTied ? 1 : 2)
        let found = fractions.withLock { $0 }
        #expect(found.first == Double(dense) / Double(all))
        #expect(found == found.sorted())
        #expect(found.suffix(2) == [1, 1])
    }

    @Test("a model that keeps its file mapped does so until it goes, with the same bits")
    func mapped() throws {
        let copy = try ModelCopy(TinyModel.bitnetGGUF)
        let expected = try logits(try BitNetModel(loading: copy.url))
        do {
            let options = LoadOptions(keepsFileMapped: true)
            let model = try BitNetModel(loading: copy.url, options: options)
            #if os(Linux)
                let uses = try uses(of: copy.folder.path)
                #expect(uses.count == 1, "\(uses)")
            #endif
            // Replacing a file leaves the one that is mapped.
            try FileFault.replaced.happen(to: copy.weights)
            #expect(try logits(model) == expected)
        }
        #expect(try uses(of: copy.folder.path).isEmpty)
    }

    @Test(
        "a file that changes while it is read is an error that says so, at any moment",
        arguments: TinyModel.all, FileFault.allCases)
    func during(_ source: URL, _ fault: FileFault) throws {
        let expected = try logits(try BitNetModel(loading: source))
        let steps = try steps(of: source)
        for step in [0, 1, steps / 2, steps - 1] {
            let copy = try ModelCopy(source)
            let moment = Moment(step) { try fault.happen(to: copy.weights) }
            let result = Result { () throws(BitNetError) in
                let checkpoint = try Checkpoint(opening: copy.url.path)
                moment.pass()
                return try BitNetModel(checkpoint) { _ in moment.pass() }
            }
            switch result {
            case .success(let model):
                #expect(fault.leavesOpenFile, "step \(step)")
                #expect(try logits(model) == expected)
            case .failure(.unreadable(let path, let reason)):
                #expect(!fault.leavesOpenFile && path == copy.weights)
                #expect(reason.contains("was changed while it was read"), "step \(step)")
            case .failure(let error): Issue.record("step \(step): \(error)")
            }
        }
    }

    @Test(
        "a source that changes while it is converted is an error, and nothing is written",
        arguments: TinyModel.files + [TinyModel.bitnetFolder],
        [FileFault.emptied, .halved, .overwritten, .disguised])
    func converting(_ source: URL, _ fault: FileFault) throws {
        let copy = try ModelCopy(source)
        let target = copy.folder.file("target.gguf")
        let moment = Moment(2) { try fault.happen(to: copy.weights) }
        let error = failure { () throws(BitNetError) in
            _ = try BitNetConverter.convert(
                from: copy.url, to: URL(fileURLWithPath: target)
            ) { _ in moment.pass() }
        }
        guard case .unreadable(copy.weights, let reason) = error else {
            Issue.record("\(error as Any)")
            return
        }
        #expect(reason.contains("was changed while it was read"))
        #expect(!FileManager.default.fileExists(atPath: target))
    }

    @Test("a session that changes while it is restored is an error", arguments: FileFault.allCases)
    func restoring(_ fault: FileFault) async throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: folder.file("session"))
        let model = try BitNetModel(loading: TinyModel.llamaGGUF)
        let session = try BitNetSession(model: model)
        try await session.prewarm()
        _ = try await session.respond(
            to: "the", options: GenerationOptions(maximumResponseTokens: 4))
        try await session.save(to: url)
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: url.path)
        let input = try InputFile(opening: url.path)
        try fault.happen(to: url.path)
        let error = failure { () throws(BitNetError) in
            _ = try SessionFile.read(FileRegion(input), fingerprint: model.fingerprint)
        }
        #expect(fault.leavesOpenFile ? error == nil : error?.isUnreadable == true)
    }

    /// How often progress is reported, and once for opening.
    private func steps(of source: URL) throws(BitNetError) -> Int {
        let moment = Moment(.max) {}
        _ = try BitNetModel(try Checkpoint(opening: source.path)) { _ in moment.pass() }
        return moment.count + 1
    }

    /// Lines of the process's maps and open files that name `path`.
    private func uses(of path: String) throws -> [String] {
        #if os(Linux)
            // The file gives a few lines a read.
            let handle = try #require(FileHandle(forReadingAtPath: "/proc/self/maps"))
            var bytes = Data()
            while let more = try handle.read(upToCount: 1 << 16), !more.isEmpty { bytes += more }
            let maps = String(decoding: bytes, as: UTF8.self)
            let files = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")
                .compactMap {
                    try? FileManager.default.destinationOfSymbolicLink(
                        atPath: "/proc/self/fd/\($0)")
                }
            return (maps.split(separator: "\n").map(String.init) + files).filter {
                $0.contains(path)
            }
        #else
            return []
        #endif
    }
}

/// Something that happens when a moment has passed for the `number`-th time after the first.
private final class Moment: @unchecked Sendable {
    // Progress is reported by the loading thread.
    private(set) var count = 0
    private let number: Int
    private let body: () throws -> Void

    init(_ number: Int, _ body: @escaping () throws -> Void) {
        self.number = number
        self.body = body
    }

    func pass() {
        if count == number {
            do { try body() } catch { Issue.record(error) }
        }
        count += 1
    }
}
