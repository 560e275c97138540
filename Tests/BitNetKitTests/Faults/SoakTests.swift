import Dispatch
import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// How often something is done: a few times among the other tests, very often by `.ci/soak`.
private func times(_ few: Int, soak many: Int) -> Int {
    ProcessInfo.processInfo.environment["BITNETKIT_SOAK"] == nil ? few : many
}

/// Bytes of memory that the process has; 0 under a sanitizer, whose own memory grows.
private func residentBytes() -> Int {
    if ProcessInfo.processInfo.environment["BITNETKIT_SANITIZER"] != nil { return 0 }
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

private let options = GenerationOptions(sampling: .greedy, maximumResponseTokens: 6)

@Suite("Soak: many users, and users who go away", .timeLimit(.minutes(60)))
struct SoakTests {
    @Test("many sessions of one model answer as one alone does")
    func sessions() async throws {
        let model = try await BitNetModel.load(TinyModel.llamaGGUF)
        let prompts = ["one", "the cat", "a", " two three"]
        func answers(_ prompt: String) async throws -> [[Int]] {
            let session = try BitNetSession(model: model, context: 64)
            let first = try await session.respond(to: prompt, options: options).tokens
            return [first, try await session.respond(to: " and", options: options).tokens]
        }
        var expected: [[[Int]]] = []
        for prompt in prompts { expected.append(try await answers(prompt)) }
        let results = expected
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<times(100, soak: 5_000) {
                group.addTask { try await answers(prompts[index % 4]) == results[index % 4] }
            }
            for try await isSame in group { #expect(isSame) }
        }
    }

    @Test("streams that are given up or cancelled at any token leave nothing behind")
    func streams() async throws {
        let model = try await BitNetModel.load(TinyModel.llamaGGUF)
        let expected = try await model.generate("the cat", options: options).tokens
        var random = SplitMix64(seed: 7)
        var before = 0
        let count = times(300, soak: 10_000)
        for number in 0..<count {
            if number == count / 2 { before = residentBytes() }
            let wanted = Int(random.next() % 7)
            let isCancelled = random.next() % 2 == 0
            let task = Task { () throws -> [Int] in
                var tokens: [Int] = []
                for try await event in model.stream("the cat", options: options) {
                    if case .token(let id, _) = event { tokens.append(id) }
                    if tokens.count == wanted, !isCancelled { break }
                }
                return tokens
            }
            if isCancelled {
                for _ in 0..<wanted { await Task.yield() }
                task.cancel()
            }
            let tokens = try await task.value
            #expect(tokens == Array(expected.prefix(tokens.count)))
        }
        #if os(Linux)
            #expect(residentBytes() - before < 32 << 20)
        #endif
        #expect(try await model.generate("the cat", options: options).tokens == expected)
    }

    @Test("a session that fifty tasks use at once gives each an answer or says that it is busy")
    func oneSession() async throws {
        let model = try await BitNetModel.load(TinyModel.llamaGGUF)
        for _ in 0..<times(5, soak: 500) {
            let session = try BitNetSession(model: model)
            let outcomes = await withTaskGroup(of: Bool?.self) { group in
                for number in 0..<50 {
                    group.addTask { () -> Bool? in
                        do throws(BitNetError) {
                            switch number % 5 {
                            case 0: try await session.prewarm()
                            case 1: _ = try await session.fork()
                            case 2: try await session.rewind(toTurn: 0)
                            default:
                                _ = try await session.respond(to: "one", options: options)
                                return true
                            }
                            return false
                        } catch .sessionBusy { return false } catch { return nil }
                    }
                }
                return await group.reduce(into: [Bool?]()) { $0.append($1) }
            }
            #expect(!outcomes.contains(nil))
            let messages = await session.messages
            #expect(messages.count % 2 == 0 && messages.count <= 2 * outcomes.count { $0 == true })
            let fresh = try await session.fresh(" two", options)
            #expect(
                try await session.respond(to: " two", options: options).tokens == fresh.tokens)
        }
    }

    /// In a process of its own: memory that other tests take would count too.
    @Test("a model that is loaded and dropped again and again takes no more memory")
    func loads() async {
        await #expect(processExitsWith: .success) {
            var before = 0
            let count = times(40, soak: 1_000)
            for number in 0..<count {
                if number == count / 2 { before = residentBytes() }
                let url = TinyModel.all[number % TinyModel.all.count]
                let model = try await BitNetModel.load(url, options: LoadOptions(threads: 2))
                #expect(model.configuration.layerCount > 0)
            }
            #if os(Linux)
                #expect(residentBytes() - before < 8 << 20)
            #endif
        }
    }

    @Test("a file that changes at a random moment is an error, or the model that was there")
    func changingFiles() throws {
        var random = SplitMix64(seed: 11)
        let expected = try TinyModel.logits(TinyModel.llamaGGUF)
        for number in 0..<times(20, soak: 1_000) {
            let folder = try TemporaryFolder()
            let path = folder.file("model.gguf")
            try FileManager.default.copyItem(atPath: TinyModel.llamaGGUF.path, toPath: path)
            let fault = FileFault.allCases[number % FileFault.allCases.count]
            let delay = UInt32(random.next() % 20_000)
            let done = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                usleep(delay)
                try? fault.happen(to: path)
                done.signal()
            }
            let result = Result { () throws(BitNetError) in
                try BitNetModel(loading: URL(fileURLWithPath: path))
            }
            done.wait()
            switch result {
            case .success(let model):
                let context = try InferenceContext(
                    model.transformer, contextLength: TinyModel.tokens.count, cache: .f32)
                #expect(try context.allLogits(TinyModel.tokens) == expected, "\(fault)")
            case .failure(.unreadable), .failure(.malformedFile), .failure(.fileNotFound):
                // It may have been another file before it was opened.
                break
            case .failure(let error):
                // Overwritten before it was opened, it is no GGUF file.
                guard case .unsupportedFormat = error else {
                    Issue.record("\(fault): \(error)")
                    continue
                }
            }
        }
    }
}

#if os(Linux)
    @Suite("Soak: processes and signals", .timeLimit(.minutes(60)))
    struct ProcessSoakTests {
        @Test("a process that forks while it generates goes on; its child may start a program")
        func forks() async {
            await #expect(processExitsWith: .success) {
                // Swift hides it, as a child of several threads may call little.
                let symbol = try #require(dlsym(UnsafeMutableRawPointer(bitPattern: 0), "fork"))
                typealias Fork = @convention(c) () -> pid_t
                let fork = unsafeBitCast(symbol, to: Fork.self)
                let model = try await BitNetModel.load(
                    TinyModel.llamaGGUF, options: LoadOptions(threads: 2))
                let expected = try await model.generate("the cat", options: options).tokens
                let task = Task {
                    var count = 0
                    while !Task.isCancelled {
                        let result = try await model.generate("the cat", options: options)
                        if result.stopReason == .cancelled { break }
                        #expect(result.tokens == expected)
                        count += 1
                    }
                    return count
                }
                let program = try #require(strdup("/bin/true"))
                defer { free(program) }
                var arguments: [UnsafeMutablePointer<CChar>?] = [program, nil]
                for number in 0..<times(20, soak: 2_000) {
                    let child = fork()
                    if child == 0 {
                        if number % 2 == 0 { execv(program, &arguments) }
                        _exit(0)
                    }
                    try #require(child > 0)
                    var status: Int32 = 0
                    while waitpid(child, &status, 0) < 0, errno == EINTR {}
                    #expect(status == 0)
                    try await Task.sleep(for: .milliseconds(1))
                }
                task.cancel()
                #expect(try await task.value > 0)
                #expect(try await model.generate("the cat", options: options).tokens == expected)
            }
        }

        private static let sample = ReferenceData.packageRoot.appendingPathComponent(
            "Sources/BitNetSampleModel/Resources/stories.gguf"
        ).path

        @Test(
            "signals at random moments end loading, generating, converting and saving cleanly",
            .enabled(if: bitnetExecutable != nil))
        func signals() throws {
            let program = try #require(bitnetExecutable)
            let folder = try TemporaryFolder()
            try folder.write("in", "A cat\n/save session\nA dog\n/save session\n")
            var random = SplitMix64(seed: 3)
            let commands = [
                ["generate", "Hi", "--max-tokens", "400"], ["generate", "Hi", "--threads", "2"],
                ["convert", Self.sample, "out.gguf", "--embedding", "q6_k"],
                ["chat", "--max-tokens", "5"], ["inspect", Self.sample],
            ]
            for number in 0..<times(15, soak: 1_000) {
                let process = Process()
                process.executableURL = program
                process.arguments = commands[number % commands.count]
                process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
                process.standardInput = FileHandle(forReadingAtPath: folder.file("in"))
                process.standardOutput = FileHandle.nullDevice
                process.standardError = FileHandle.nullDevice
                try process.run()
                usleep(UInt32(random.next() % 400_000))
                kill(process.processIdentifier, [SIGINT, SIGTERM, SIGHUP][Int(random.next() % 3)])
                process.waitUntilExit()
                let code = process.terminationStatus
                let expected: [Int32] =
                    process.terminationReason == .exit ? [0, 129, 130, 143] : [1, 2, 15]
                #expect(expected.contains(code), "\(commands[number % 5]): \(code)")
                let names = Set(try folder.names)
                #expect(names.isSubset(of: ["in", "out.gguf", "session"]), "\(names)")
                for name in names.subtracting(["in"]) {
                    // Whatever is there is whole.
                    if name == "out.gguf" { _ = try Checkpoint(opening: folder.file(name)) }
                }
            }
        }

        @Test(
            "a session for which the disk has no room is an error, and the old one stays",
            .enabled(if: bitnetExecutable != nil))
        func fullDisk() throws {
            let folder = try TemporaryFolder()
            let run = try shell(
                """
                cd "$1"; echo 'A cat' >in; echo '/save s' >>in
                "$0" chat --max-tokens 5 <in >/dev/null 2>&1; cp s old
                ulimit -f 8; "$0" chat --max-tokens 300 <in 2>&1 >/dev/null | grep -c 'too large'
                cmp s old && echo same; ls
                """, folder.path)
            #expect(run.output == "1\nsame\nin\nold\ns\n", "\(run)")
        }
    }
#endif
