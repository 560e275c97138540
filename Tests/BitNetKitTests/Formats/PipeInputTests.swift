import BitNetSampleModel
import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

#if os(Linux)
    /// A pipe that something writes into until nobody reads.
    private struct EndlessPipe {
        let folder: TemporaryFolder
        let path: String

        /// - Parameters:
        ///   - beginning: what comes first.
        ///   - part: what comes again and again.
        init(_ beginning: [UInt8] = [], then part: [UInt8]) throws {
            folder = try TemporaryFolder()
            path = folder.file("pipe")
            try #require(mkfifo(path, 0o600) == 0)
            signal(SIGPIPE, SIG_IGN)
            let path = path
            Thread.detachNewThread {
                let descriptor = open(path, O_WRONLY)
                defer { close(descriptor) }
                let block = [UInt8]((0..<(1 << 16) / part.count).map { _ in part }.joined())
                var next = beginning.isEmpty ? block : beginning
                while !next.isEmpty {
                    let count = write(descriptor, next, next.count)
                    if count < 0 { return }
                    next = count < next.count ? Array(next[count...]) : block
                }
            }
        }
    }

    @Suite("Pipes that never end", .timeLimit(.minutes(10)))
    struct PipeInputTests {
        @Test("what comes is judged after some KB, and then whenever it has doubled")
        func judgement() throws {
            let pipe = try EndlessPipe([1, 2, 3], then: [7])
            var sizes: [Int] = []
            let error = failure { () throws(BitNetError) in
                try PipeInput(opening: pipe.path).all { (beginning) throws(BitNetError) in
                    let there = beginning.beginning(.max)
                    #expect(there.prefix(4) == [1, 2, 3, 7])
                    sizes.append(there.count)
                    // Behind what is there, more may come.
                    #expect(beginning.count > there.count)
                    return sizes.count < 4 ? nil : 6_000_000
                }
            }
            #expect("\(error as Any)".contains("than the 6000000 bytes"))
            #expect(sizes.count == 4 && sizes.last ?? 0 < 1 << 24)
        }

        @Test("what is nothing that a reader knows ends after some KB", arguments: ["y\n", "\0"])
        func unknown(_ part: String) async throws {
            let model = try await BitNetModel.sample()
            for isTokenizer in [false, true] {
                let pipe = try EndlessPipe(then: Array(part.utf8))
                let error = failure { () throws(BitNetError) in
                    if isTokenizer {
                        _ = try Tokenizer.load(from: URL(fileURLWithPath: pipe.path))
                    } else {
                        _ = try Checkpoint(opening: pipe.path)
                    }
                }
                #expect("\(error as Any)".contains("neither a GGUF"))
            }
            let pipe = try EndlessPipe(then: Array(part.utf8))
            let error = await #expect(throws: BitNetError.self) {
                _ = try await BitNetSession.restore(
                    from: URL(fileURLWithPath: pipe.path), model: model)
            }
            #expect("\(error as Any)".contains("is not a saved session"))
        }

        @Test("a GGUF file that has no end is refused where it stops to be one")
        func gguf() throws {
            var keys = RawGGUF()
            for index in 0..<100 { keys.entry("k\(index)", u32: 7) }
            keys.entryCount = 50_000
            var whole = RawGGUF()
            whole.tensor("t", [8], type: 0, offset: 0)
            whole.data = [UInt8](repeating: 0, count: 32)
            for (name, beginning, words) in [
                ("keys", keys.bytes, "unknown type"), ("whole", whole.bytes, "more comes through"),
                ("magic", Array("GGUF".utf8), "GGUF version"),
            ] {
                for part: [UInt8] in [[0], [0x79, 0x0A]] {
                    let pipe = try EndlessPipe(beginning, then: part)
                    let error = failure { () throws(BitNetError) in
                        try Checkpoint(opening: pipe.path)
                    }
                    let text = "\(error as Any)"
                    let isFound =
                        text.contains(words) || text.contains("occurs twice")
                        || text.contains("cannot fit") || text.contains("endian")
                    #expect(isFound, "\(name), \(part): \(text)")
                }
            }
        }

        @Test("a session with its right beginning has an end that is known")
        func session() async throws {
            let model = try await BitNetModel.sample()
            let folder = try TemporaryFolder()
            let saved = folder.file("saved")
            let session = try BitNetSession(model: model)
            _ = try await session.respond(
                to: "A cat", options: GenerationOptions(maximumResponseTokens: 2))
            try await session.save(to: URL(fileURLWithPath: saved))
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: saved)))
            let most = try SessionFile.mostBytes(of: ByteRegion(bytes), model: model)
            #expect(try #require(most) >= bytes.count)
            let other = try EndlessPipe(Array(bytes[..<12]), then: [9])
            let error = await #expect(throws: BitNetError.self) {
                _ = try await BitNetSession.restore(
                    from: URL(fileURLWithPath: other.path), model: model)
            }
            #expect("\(error as Any)".contains("saved with another model"))
        }

        @Test("memory that is not there for what comes is a typed error")
        func memory() async {
            await #expect(processExitsWith: .success) {
                let pipe = try EndlessPipe(then: [1])
                // The thread that writes has begun before there is less room.
                usleep(100_000)
                var limit = rlimit()
                getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                let pages = try #require(
                    try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
                        .split(separator: " ").first.flatMap { UInt($0) })
                limit.rlim_cur = rlim_t(pages * UInt(sysconf(Int32(_SC_PAGESIZE))) + (96 << 20))
                setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
                let error = failure { () throws(BitNetError) in
                    try PipeInput(opening: pipe.path).all { _ in nil }
                }
                guard case .outOfMemory(let bytes, _) = error else {
                    fatalError("\(error as Any)")
                }
                #expect(bytes <= 128 << 20)
            }
        }

        @Test("reading is cancelled while bytes come")
        func cancelled() async throws {
            let pipe = try EndlessPipe(then: [1])
            let task = Task.detached { () throws -> Int in
                while !Task.isCancelled { await Task.yield() }
                return try PipeInput(opening: pipe.path).all { _ in nil }.count
            }
            task.cancel()
            await #expect(throws: BitNetError.cancelled) { try await task.value }
        }
    }
#endif
