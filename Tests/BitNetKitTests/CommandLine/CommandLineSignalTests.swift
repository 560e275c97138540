import Foundation
import TestSupport
import Testing

#if os(Linux)
    /// Signals at moments that are certain: the program waits for a pipe that nobody empties.
    @Suite("Command line: signals", .enabled(if: bitnetExecutable != nil), .timeLimit(.minutes(10)))
    struct CommandLineSignalTests {
        private let folder: TemporaryFolder
        private let pipe: String
        private static let sample = ReferenceData.packageRoot.appendingPathComponent(
            "Sources/BitNetSampleModel/Resources/stories.gguf"
        ).path

        init() throws {
            folder = try TemporaryFolder()
            pipe = folder.file("pipe")
            mkfifo(pipe, 0o600)
        }

        /// Starts `bitnet`, all on one core if `isPinned`.
        private func start(
            _ arguments: [String], isPinned: Bool = false, input: Any = FileHandle.nullDevice
        ) throws -> (process: Process, error: Pipe) {
            let program = try #require(bitnetExecutable).path
            let error = Pipe()
            let process = Process()
            process.executableURL = URL(
                fileURLWithPath: isPinned ? "/usr/bin/taskset" : program)
            process.arguments = (isPinned ? ["-c", "0", program] : []) + arguments
            process.standardInput = input
            process.standardOutput = FileHandle.nullDevice
            process.standardError = error
            try process.run()
            return (process, error)
        }

        /// Waits until something is in the pipe.
        private func waitForBytes(_ reader: Int32) {
            var request = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
            while poll(&request, 1, 1000) == 0 {}
        }

        @Test(
            "a signal ends a conversion, with one core too, and the pipe is still there",
            arguments: [SIGINT, SIGTERM, SIGHUP], [false, true])
        func convert(_ signal: Int32, _ isPinned: Bool) throws {
            guard !isPinned || FileManager.default.isExecutableFile(atPath: "/usr/bin/taskset")
            else { return }
            let reader = open(pipe, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            let (process, error) = try start(
                ["convert", Self.sample, pipe, "--type", "f32"], isPinned: isPinned)
            waitForBytes(reader)
            let begin = ContinuousClock.now
            kill(process.processIdentifier, signal)
            process.waitUntilExit()
            #expect(ContinuousClock.now - begin < .seconds(5))
            #expect(process.terminationReason == .exit)
            #expect(process.terminationStatus == 128 + signal)
            #expect(try error.fileHandleForReading.readToEnd() ?? Data() == Data())
            #expect(try folder.names == ["pipe"])
        }

        @Test(
            "what was ignored when the program began stays ignored, as in the background of a script",
            arguments: [SIGINT, SIGTERM, SIGHUP])
        func ignored(_ signal: Int32) throws {
            let reader = open(pipe, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = [
                "-c", "trap '' \(signal); exec \"$0\" convert \"$1\" \"$2\" --type f32",
                try #require(bitnetExecutable).path, Self.sample, pipe,
            ]
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            waitForBytes(reader)
            kill(process.processIdentifier, signal)
            usleep(200_000)
            #expect(process.isRunning)
            // It goes on as if nothing had been.
            _ = fcntl(reader, F_SETFL, 0)
            var (part, count) = ([UInt8](repeating: 0, count: 1 << 16), 0)
            while case let new = read(reader, &part, part.count), new > 0 { count += new }
            process.waitUntilExit()
            #expect(process.terminationReason == .exit && process.terminationStatus == 0)
            #expect(count > 20_000_000)
        }

        @Test("what a signal interrupts leaves no file, wherever it comes", arguments: 0..<8)
        func randomMoments(_ step: Int) throws {
            let (process, _) = try start(
                ["convert", Self.sample, folder.file("out.gguf"), "--embedding", "q6_k"])
            usleep(UInt32(step) * 20_000)
            kill(process.processIdentifier, step % 2 == 0 ? SIGTERM : SIGINT)
            process.waitUntilExit()
            // It may have been ready, but never half so.
            let code = process.terminationStatus
            let expected: [Int32] = process.terminationReason == .exit ? [0, 130, 143] : [2, 15]
            #expect(expected.contains(code))
            let isReady = code == 0 && process.terminationReason == .exit
            #expect(try folder.names == (isReady ? ["out.gguf", "pipe"] : ["pipe"]))
        }

        @Test("a chat that is saving ends with the second Ctrl-C at once")
        func secondSignal() throws {
            let reader = open(pipe, O_RDONLY | O_NONBLOCK)
            defer { close(reader) }
            let input = Pipe()
            let (process, _) = try start(
                ["chat", "--max-tokens", "1"], input: input.fileHandleForReading)
            let message = String(repeating: "The cat sat on the mat. ", count: 40)
            try input.fileHandleForWriting.write(
                contentsOf: Data("\(message)\n/save \(pipe)\n".utf8))
            waitForBytes(reader)
            kill(process.processIdentifier, SIGINT)
            // The first one waits for the file.
            usleep(300_000)
            #expect(process.isRunning)
            kill(process.processIdentifier, SIGINT)
            process.waitUntilExit()
            #expect(process.terminationReason == .uncaughtSignal)
            #expect(process.terminationStatus == SIGINT)
        }

        @Test(
            "Ctrl-C while a file is waited for ends the program",
            arguments: [false, true])
        func waiting(_ isPinned: Bool) throws {
            guard !isPinned || FileManager.default.isExecutableFile(atPath: "/usr/bin/taskset")
            else { return }
            // The grammar's pipe holds the program before it loads, where a signal needs no handler.
            let (process, _) = try start(["generate", "Hi", "--grammar", pipe], isPinned: isPinned)
            usleep(200_000)
            kill(process.processIdentifier, SIGINT)
            process.waitUntilExit()
            #expect(process.terminationReason == .uncaughtSignal)
            #expect(process.terminationStatus == SIGINT)
        }
    }
#endif
