import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

#if os(Linux)
    import Glibc

    /// What a file that strangers made costs, whatever is in it: measured as the peak of a process of its
    /// own.
    @Suite(
        "Memory for a hostile file is a small multiple of its size", .serialized,
        .enabled(if: bitnetExecutable != nil))
    struct HostileFileMemoryTests {
        private static let size = 1_500_000
        /// What the parts may take whose number has a limit, and what a process takes by itself.
        private static let (bounded, noise) = (64 << 20, 6 << 20)

        /// The peak of resident memory of the program run with `arguments`, in bytes.
        private static func peak(_ arguments: [String]) throws -> Int {
            let program = try #require(bitnetExecutable).path
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            for descriptor: Int32 in [1, 2] {
                posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
            }
            var strings: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
            strings.append(nil)
            defer { for string in strings { free(string) } }
            var process = pid_t()
            try #require(posix_spawn(&process, program, &actions, nil, strings, environ) == 0)
            var (status, peak) = (Int32(0), 0)
            // What the system says of a process that has ended counts its parent, too.
            while waitpid(process, &status, WNOHANG) == 0 {
                peak = max(peak, Self.peak(of: process))
                usleep(1000)
            }
            // It ends by itself, with a result or an error, and not by a signal.
            #expect(status & 0x7F == 0 && peak > 0, "\(arguments)")
            return peak
        }

        /// The peak of a process that runs, in bytes; 0 where it has ended.
        private static func peak(of process: pid_t) -> Int {
            let text =
                (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
                .map { $0 * 1024 } ?? 0
        }

        /// Bodies of JSON that take many times their text as values.
        private static var bodies: [(name: String, text: String)] {
            func list(_ element: String) -> String {
                let count = size / (element.utf8.count + 1)
                return "[" + [String](repeating: element, count: count).joined(separator: ",") + "]"
            }
            func object(_ value: String) -> String {
                let members = (0..<size / (9 + value.utf8.count)).map {
                    "\"\(String($0, radix: 36))\":\(value)"
                }
                return "{" + members.joined(separator: ",") + "}"
            }
            let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
            return [
                ("brackets", String(repeating: "[", count: size)), ("numbers", list("0")),
                ("lists", list("[]")), ("texts", list("\"\"")), ("deep", list(deep)),
                ("objects", object("{}")), ("keys", object("0")), ("not finite", list("NaN")),
            ]
        }

        private static func check(_ name: String, _ arguments: [String], of size: Int, _ rest: Int)
            throws
        {
            let most = 8 * size + rest
            let found = try peak(arguments) - base.get()
            #expect(found <= most, "\(name): \(found) bytes for a file of \(size)")
        }

        private static let base = Result {
            let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/tokenizer-tiny.json")
            return try peak(["tokenize", "--model", url.path, "a"])
        }

        @Test("config.json, tokenizer.json and tokenizer_config.json")
        func json() throws {
            let model = #""model":{"type":"BPE","vocab":{},"merges":[]}"#
            for (name, body) in Self.bodies {
                let folder = try TemporaryFolder()
                try folder.write("config.json", "{\"x\":\(body)}")
                try folder.write("model.safetensors", rawSafetensors("{}", data: 0))
                try Self.check(
                    "config, \(name)", ["generate", "--model", folder.path, "a"], of: Self.size,
                    Self.noise)
                try folder.write("tokenizer.json", "{\"x\":\(body),\(model)}")
                try Self.check(
                    "tokenizer, \(name)", ["tokenize", "--model", folder.path, "a"], of: Self.size,
                    Self.noise)
            }
        }

        @Test("tokenizer.json with all that its parts can have")
        func tokenizer() throws {
            func check(
                _ name: String, vocab: String, merges: String = "[]", rest: String = "",
                _ allowance: Int
            ) throws {
                let folder = try TemporaryFolder()
                let text =
                    "{\"model\":{\"type\":\"BPE\",\"vocab\":\(vocab),\"merges\":\(merges)},"
                    + #""pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"}"#
                    + rest + "}"
                try folder.write("tokenizer.json", text)
                try Self.check(
                    name, ["tokenize", "--model", folder.path, "a"], of: text.utf8.count, allowance)
            }
            let names = (0..<100_000).map { String($0, radix: 36) }
            let vocab = names.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",")
            try check("vocabulary", vocab: "{\(vocab)}", Self.noise)
            let pairs = [String](repeating: "\"a b\"", count: 300_000).joined(separator: ",")
            let three = #"{"a":0,"b":1,"ab":2}"#
            // The table has some room before it grows.
            try check("merges", vocab: three, merges: "[\(pairs)]", 24 << 20)
            let added = names.prefix(100_000).enumerated().map {
                "{\"id\":\($0),\"content\":\"\($1)\"}"
            }
            try check(
                "added tokens", vocab: three,
                rest: ",\"added_tokens\":[" + added.joined(separator: ",") + "]", Self.bounded)
            let parts = [String](repeating: "{\"type\":\"NFC\"}", count: 200_000)
            try check(
                "normalisers", vocab: three,
                rest: ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                    + parts.joined(separator: ",") + "]}", Self.bounded)
        }

        @Test("a safetensors header with as many tensors as are read, and with more")
        func safetensors() throws {
            for (count, rest) in [(60_000, Self.bounded), (140_000, Self.noise)] {
                let entries = (0..<count).map {
                    "\"\(String($0, radix: 36))\":{\"dtype\":\"U8\",\"shape\":[],"
                        + "\"data_offsets\":[\($0),\($0 + 1)]}"
                }
                let folder = try TemporaryFolder()
                try folder.write("config.json", #"{"model_type":"llama"}"#)
                let file = rawSafetensors("{" + entries.joined(separator: ",") + "}", data: count)
                try folder.write("model.safetensors", file)
                try Self.check(
                    "\(count) tensors", ["generate", "--model", folder.path, "a"], of: file.count,
                    rest)
            }
        }

        @Test("a GGUF file with as many keys, arrays and tensors as are read, and with more")
        func gguf() throws {
            let folder = try TemporaryFolder()
            func check(_ name: String, _ file: RawGGUF, _ rest: Int) throws {
                let bytes = file.bytes
                let path = try folder.write("\(name).gguf", bytes)
                try Self.check(
                    name, ["tokenize", "--model", path, "a"], of: bytes.count, rest)
            }
            for (count, rest) in [(GGUFParser.maximumEntries, Self.bounded), (200_000, Self.noise)]
            {
                var keys = RawGGUF()
                for index in 0..<count { keys.entry(String(index, radix: 36), type: 0, [1]) }
                try check("\(count) keys", keys, rest)
                var arrays = RawBytes()
                arrays.u32(9)
                arrays.u64(UInt64(count))
                arrays.bytes += [UInt8](repeating: 0, count: 12 * count)
                var nested = RawGGUF()
                nested.entry("a", type: 9, arrays.bytes)
                try check("\(count) arrays", nested, rest)
            }
            var strings = RawGGUF()
            strings.entry(
                "tokenizer.ggml.tokens", strings: [String](repeating: "", count: Self.size / 8))
            strings.entry("tokenizer.ggml.model", string: "gpt2")
            try check("strings", strings, Self.noise)
            var tensors = RawGGUF()
            for index in 0..<60_000 {
                tensors.tensor(
                    String(index, radix: 36), [1], type: 0, offset: UInt64(32 * index))
            }
            tensors.data = [UInt8](repeating: 0, count: 32 * 60_000)
            try check("tensors", tensors, Self.bounded)
        }
    }
#endif
