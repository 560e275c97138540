import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit

#if os(Linux)
    /// What comes from a file, on a pseudo terminal and in a pipe.
    @Suite(
        "Command line: terminals", .enabled(if: bitnetExecutable != nil), .timeLimit(.minutes(10)))
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
                // What the chat's editor draws with.
                .replacing(#/\r?\x1B\[(\?2004[hl]|J|[0-9]+[ABG])/#, with: "")
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

        /// A chat on a terminal of its own.
        private final class Conversation {
            let process = Process()
            private let main: Int32
            /// What has been read behind what was waited for.
            private var shown = ""
            let settings: termios

            init(_ arguments: [String]) throws {
                var (main, terminal) = (Int32(-1), Int32(-1))
                var size = winsize(ws_row: 24, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0)
                try #require(openpty(&main, &terminal, nil, nil, &size) == 0)
                for end in [main, terminal] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
                self.main = main
                var settings = termios()
                tcgetattr(terminal, &settings)
                self.settings = settings
                process.executableURL = bitnetExecutable
                process.arguments = ["chat", "-n", "4", "--temperature", "0"] + arguments
                process.environment = ["TERM": "xterm", "PATH": "/usr/bin:/bin"]
                let handle = FileHandle(fileDescriptor: terminal, closeOnDealloc: true)
                process.standardInput = handle
                process.standardOutput = handle
                process.standardError = handle
                try process.run()
            }

            deinit { close(main) }

            /// The terminal's settings are those of before, every flag.
            var isAsBefore: Bool {
                var now = termios()
                return tcgetattr(main, &now) == 0 && now.c_lflag == settings.c_lflag
                    && now.c_iflag == settings.c_iflag && now.c_oflag == settings.c_oflag
            }

            func send(_ text: String) { _ = write(main, text, text.utf8.count) }

            /// Reads until `text` has come behind what was waited for before.
            func wait(for text: String) throws {
                var part = [UInt8](repeating: 0, count: 4096)
                while true {
                    if let found = shown.range(of: text) {
                        shown = String(shown[found.upperBound...])
                        return
                    }
                    var request = pollfd(fd: main, events: Int16(POLLIN), revents: 0)
                    let message = "\(text.debugDescription) in \(shown.debugDescription)"
                    try #require(poll(&request, 1, 30_000) == 1, "\(message)")
                    let count = read(main, &part, part.count)
                    try #require(count > 0, "\(message)")
                    shown += String(decoding: part.prefix(count), as: UTF8.self)
                }
            }
        }

        private static let prompt = "\r\u{1B}[J> \u{1B}[3G"

        @Test("lines are edited and remembered, a paste is one message, Ctrl-D ends it all")
        func editing() throws {
            let chat = try Conversation([])
            try chat.wait(for: "/help lists the commands, /exit or Ctrl-D leaves")
            try chat.wait(for: Self.prompt)
            #expect(!chat.isAsBefore)
            chat.send("/tokns\u{1B}[D\u{1B}[De\u{1B}[3~\u{5}\u{7F}\u{7F}kens\r")
            try chat.wait(for: "there is no command")
            try chat.wait(for: Self.prompt)
            chat.send("\u{1B}[A\u{15}/tokenns\u{7F}\u{7F}s\r")
            try chat.wait(for: "(0 of 512 tokens, 512 left, in 0 turns)")
            try chat.wait(for: Self.prompt)
            chat.send("\u{1B}[200~A cat\r/and a dog\u{1B}[201~")
            try chat.wait(for: "/and a dog")
            chat.send("\r")
            try chat.wait(for: Self.prompt)
            chat.send("/tokens\r")
            try chat.wait(for: "in 1 turn)")
            try chat.wait(for: Self.prompt)
            chat.send("\u{4}")
            chat.process.waitUntilExit()
            #expect(chat.process.terminationStatus == 0 && chat.isAsBefore)
        }

        @Test(
            "whatever ends a chat, the terminal is as it was",
            arguments: [SIGTERM, SIGHUP, SIGINT, SIGSEGV, SIGABRT])
        func ends(_ signal: Int32) throws {
            let chat = try Conversation([])
            try chat.wait(for: Self.prompt)
            #expect(!chat.isAsBefore)
            if signal == SIGINT {
                // Ctrl-C first throws the line away.
                chat.send("abc\u{3}")
                try chat.wait(for: "^C")
                try chat.wait(for: Self.prompt)
                chat.send("\u{3}")
            } else {
                kill(chat.process.processIdentifier, signal)
            }
            chat.process.waitUntilExit()
            #expect(chat.process.terminationReason == .uncaughtSignal)
            #expect(chat.process.terminationStatus == signal && chat.isAsBefore)
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

        @Test("a model and no prompt at a terminal: what is missing, and how the command is used")
        func missingPrompt() throws {
            let shown = try onTerminal(["generate", "-m", Self.sample])
            try expectHarmless(shown, showing: "error: Missing a prompt")
            let text = String(decoding: shown, as: UTF8.self)
            #expect(text.contains("Usage: bitnet generate ") && !text.contains("bitnet COMMAND"))
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
