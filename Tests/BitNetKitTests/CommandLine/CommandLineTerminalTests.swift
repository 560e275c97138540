import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit

#if os(Linux)
    /// What comes from a file, on a pseudo terminal and in a pipe.
    @Suite(
        "Command line: terminals", .enabled(if: bitnetExecutable != nil), .timeLimit(.minutes(2)))
    struct CommandLineTerminalTests {
        private let folder: TemporaryFolder
        private static let sample = ReferenceData.packageRoot.appendingPathComponent(
            "Sources/BitNetSampleModel/Resources/stories.gguf"
        ).path

        /// Every control character, sequences of them, and what turns letters around.
        private static let hostile: String = {
            let codes =
                Array(1...0x1F) + Array(0x7F...0x9F) + Array(0x202A...0x202E)
                + Array(0x2066...0x2069)
            let all = codes.compactMap { Unicode.Scalar(UInt32($0)).map(String.init) }
            return "\u{1B}[2J\u{1B}]0;title\u{7}\u{9B}31m\r\u{8}\u{202E}"
                + all.joined(separator: "x")
        }()

        init() throws { folder = try TemporaryFolder() }

        /// Runs `bitnet` with output and errors on a pseudo terminal, and input too where none is
        /// given; returns what the terminal was sent.
        private func onTerminal(_ arguments: [String], input: String? = nil) throws -> [UInt8] {
            var (main, terminal) = (Int32(-1), Int32(-1))
            try #require(openpty(&main, &terminal, nil, nil, nil) == 0)
            defer { close(main) }
            for end in [main, terminal] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            var settings = termios()
            tcgetattr(terminal, &settings)
            cfmakeraw(&settings)
            // The end of input stays one.
            settings.c_lflag |= tcflag_t(ICANON)
            tcsetattr(terminal, TCSANOW, &settings)
            let process = Process()
            process.executableURL = bitnetExecutable
            process.arguments = arguments
            let handle = FileHandle(fileDescriptor: terminal, closeOnDealloc: false)
            process.standardOutput = handle
            process.standardError = handle
            if let input {
                let path = try folder.write("input", input)
                process.standardInput = FileHandle(forReadingAtPath: path)
            } else {
                process.standardInput = handle
            }
            try process.run()
            close(terminal)
            if input == nil { _ = write(main, "\u{4}", 1) }
            var (found, part) = ([UInt8](), [UInt8](repeating: 0, count: 4096))
            while case let count = read(main, &part, part.count), count > 0 {
                found += part.prefix(count)
            }
            process.waitUntilExit()
            return found
        }

        /// Expects nothing that steers a terminal but ends of lines, tabs and the program's own
        /// sequence for a line of progress.
        private func expectHarmless(
            _ bytes: [UInt8], showing words: String, _ location: SourceLocation = #_sourceLocation
        ) throws {
            let text = try #require(String(validating: bytes, as: UTF8.self))
                .replacingOccurrences(of: "\r\u{1B}[K", with: "")
                .replacingOccurrences(of: "\r\n", with: "\n")
            let steering = text.unicodeScalars.filter { scalar in
                (scalar.properties.generalCategory == .control && scalar != "\n" && scalar != "\t")
                    || (0x202A...0x202E).contains(scalar.value)
                    || (0x2066...0x2069).contains(scalar.value)
            }
            #expect(
                steering.isEmpty, "\(steering.map { String($0.value, radix: 16) })",
                sourceLocation: location)
            #expect(text.contains(words), "\(text)", sourceLocation: location)
        }

        @Test("texts are shown with pictures on a terminal, and come exactly through a pipe")
        func texts() throws {
            let prompt = "a\u{0}\(Self.hostile)\tb\nc\r\nd"
            let arguments = ["generate", "--model", Self.sample, "--max-tokens", "0"]
            let shown = try onTerminal(arguments, input: prompt)
            try expectHarmless(shown, showing: "a␀␛[2J␛]0;title␇\u{FFFD}31m␍␈\u{FFFD}")
            #expect(String(decoding: shown, as: UTF8.self).contains("\tb\nc\r\nd\n"))
            let piped = try shell(
                "\"$0\" generate --model \"$1\" --max-tokens 0 <\"$2\"",
                Self.sample, folder.file("input"))
            #expect(Array(piped.output.utf8) == Array((prompt + "\n").utf8))
        }

        @Test("generated text is shown with pictures, and comes exactly through a pipe")
        func generated() throws {
            let escapes = Self.hostile.unicodeScalars.map { scalar in
                let digits = String(scalar.value, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
            let grammar = try folder.write("g", "root ::= \"\(escapes.joined())\"")
            let arguments = ["generate", "A", "--max-tokens", "450", "--grammar", grammar]
            try expectHarmless(try onTerminal(arguments, input: ""), showing: "A␛[2J␛]0;title␇")
            let piped = try CommandLineTests.bitnet(arguments)
            #expect(piped.code == 0)
            #expect(Array(piped.output.utf8) == Array("A\(Self.hostile)\n".utf8))
        }

        @Test("a model's name is harmless where a chat begins")
        func banner() throws {
            var file = try EditableGGUF(URL(fileURLWithPath: Self.sample))
            file["general.name"] = .string("name\n\(Self.hostile)")
            let shown = try onTerminal(["chat", "--model", file.write(to: folder).path])
            try expectHarmless(shown, showing: "␛[2J␛]0;title␇")
            #expect(String(decoding: shown, as: UTF8.self).hasPrefix("name ␛"))
        }

        @Test("JSON on a terminal is harmless as well")
        func json() throws {
            let ids = try CommandLineTests.bitnet([
                "tokenize", "--model", Self.sample, "--", Self.hostile,
            ]).output
            let shown = try onTerminal([
                "tokenize", "--model", Self.sample, "--decode",
                ids.trimmingCharacters(in: .newlines),
            ])
            try expectHarmless(shown, showing: "title")
        }

        @Test("names in messages are shown with pictures, on one line")
        func messages() throws {
            let name = "x\n\(Self.hostile).gguf"
            var raw = RawGGUF()
            raw.entry("general.architecture", string: "arch\nerror: \(Self.hostile)")
            let odd = try folder.write("odd.gguf", raw.bytes)
            for arguments in [
                ["generate", "Hi", "--model", name], ["convert", Self.sample, "none/\(name)"],
                ["generate", "Hi", "--grammar", name], ["logits", "--model", odd, "--tokens", "1"],
                ["tokenize", "--model", Self.sample, "--lines", name, "--decode"],
            ] {
                let shown = try onTerminal(arguments, input: "")
                try expectHarmless(shown, showing: "␛[2J␛]0;title␇")
                #expect(shown.count { $0 == UInt8(ascii: "\n") } == 1)
                // A log is read on a terminal sooner or later.
                let logged = try CommandLineTests.bitnet(arguments)
                try expectHarmless(Array(logged.error.utf8), showing: "␛[2J␛]0;title␇")
            }
        }

        @Test("the parser's own messages are harmless")
        func usage() throws {
            for arguments in [
                ["generate", "--\(Self.hostile)"], ["generate", "--max-tokens", Self.hostile],
                [Self.hostile], ["generate", "Hi", "--kv-cache", Self.hostile],
            ] {
                let shown = try onTerminal(arguments, input: "")
                try expectHarmless(shown, showing: "␛[2J␛]0;title␇")
            }
        }
    }
#endif
