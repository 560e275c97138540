// The memory that files take while they are read, of the kinds that take most for their size: at
// most eight times their size and 64 MB, as Limits.md says. `.ci/memory` builds it.
//
//     memory BITNET FOLDER [MB]    with the program, a folder with a model, and the size of files

import Foundation

#if canImport(Glibc)
    import Glibc
#endif

/// A file of one kind of content, as dense as it can be.
struct Subject: Sendable {
    let name: String
    /// The file of a model's folder that it takes the place of, or a file of its own.
    let file: String
    /// What is done with it: `file` alone where it is no part of a folder.
    let command: [String]
    let content: @Sendable (Int) -> [UInt8]
}

/// Short texts, all different, as numbers to the base of 64.
func word(_ number: Int) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var word = ""
    var rest = number
    repeat {
        word.append(digits[rest % 64])
        rest /= 64
    } while rest > 0
    return word
}

func repeated(_ text: String, _ size: Int) -> String {
    String(repeating: text, count: max(1, size / text.utf8.count))
}

func joined(_ size: Int, _ part: (Int) -> String) -> String {
    var text = ""
    var number = 0
    while text.utf8.count < size {
        if number > 0 { text += "," }
        text += part(number)
        number += 1
    }
    return text
}

// MARK: - JSON

let json: [(String, @Sendable (Int) -> String)] = [
    ("numbers", { "[\(repeated("1,", $0))1]" }),
    ("empty lists", { "[\(repeated("[],", $0))1]" }),
    ("empty objects", { "[\(repeated("{},", $0))1]" }),
    ("lists of one", { "[\(repeated("[1],", $0))1]" }),
    ("empty texts", { "[\(repeated("\"\",", $0))1]" }),
    ("members", { "{\(joined($0) { "\"\(word($0))\":1" })}" }),
    ("escapes", { "\"\(repeated("\\u0041", $0))\"" }),
]

func header(_ text: String) -> [UInt8] {
    withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian, Array.init) + text.utf8
}

// MARK: - Tokenizers

/// A `tokenizer.json` with every byte, and then these tokens and merges.
func tokenizer(_ size: Int, merges: (Int) -> String? = { _ in nil }, _ token: (Int) -> String)
    -> [UInt8]
{
    let bytes = (0...255).map { byte -> String in
        let scalar = (33...126).contains(byte) || byte > 173 || (161...172).contains(byte)
        let kept = (0..<byte).filter {
            !((33...126).contains($0) || $0 > 173 || (161...172).contains($0))
        }
        let text = String(Unicode.Scalar(UInt32(scalar ? byte : 256 + kept.count))!)
        return "\"\(text == "\"" || text == "\\" ? "\\" + text : text)\":\(byte)"
    }
    let vocabulary = joined(size) { "\"\(token($0))\":\(256 + $0)" }
    var list: [String] = []
    while let merge = merges(list.count) { list.append(merge) }
    let text = """
        {"model":{"type":"BPE","vocab":{\(bytes.joined(separator: ",")),\(vocabulary)},\
        "merges":[\(list.joined(separator: ","))]},\
        "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},\
        "decoder":{"type":"ByteLevel"}}
        """
    return Array(text.utf8)
}

/// All pairs of letters and digits, all of which merge, and then what pairs of those make.
func merged(_ size: Int) -> [UInt8] {
    let letters = (0..<62).map(word)
    let pairs = letters.flatMap { left in letters.map { left + $0 } }
    let most = min(size / 36, pairs.count * pairs.count / 4)
    func pair(_ number: Int) -> (String, String) {
        (pairs[number / pairs.count], pairs[number % pairs.count])
    }
    let text = (0..<most).map { pair($0).0 + pair($0).1 }
    return tokenizer(
        (pairs + text).reduce(0) { $0 + $1.utf8.count + 11 },
        merges: { number in
            if number < pairs.count {
                let pair = Array(pairs[number])
                return "\"\(pair[0]) \(pair[1])\""
            }
            guard number - pairs.count < most else { return nil }
            let (left, right) = pair(number - pairs.count)
            return "\"\(left) \(right)\""
        },
        { number in
            if number < pairs.count { return pairs[number] }
            return number - pairs.count < most ? text[number - pairs.count] : "~\(number)"
        })
}

/// A sentencepiece model: pieces alone.
func sentencePieces(_ size: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    func add(_ text: String, _ kind: UInt8?) {
        let piece = [0x0A, UInt8(text.utf8.count)] + text.utf8 + (kind.map { [0x18, $0] } ?? [])
        bytes += [0x0A, UInt8(piece.count)] + piece
    }
    add("<unk>", 2)
    for byte in 0...255 {
        let digits = String(byte, radix: 16, uppercase: true)
        add("<0x\(digits.count < 2 ? "0" : "")\(digits)>", 6)
    }
    var number = 0
    while bytes.count < size {
        add(word(number), nil)
        number += 1
    }
    return bytes
}

func tiktoken(_ size: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    var rank = 0
    func add(_ token: [UInt8]) {
        bytes += "\(Data(token).base64EncodedString()) \(rank)\n".utf8
        rank += 1
    }
    for byte in 0...UInt8.max { add([byte]) }
    while bytes.count < size { add([0] + word(rank).utf8) }
    return bytes
}

// MARK: - GGUF

func gguf(_ members: [(String, [UInt8])]) -> [UInt8] {
    var bytes = Array("GGUF".utf8)
    func add(_ value: some FixedWidthInteger) {
        bytes += withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    add(UInt32(3))
    add(UInt64(0))
    add(UInt64(members.count))
    for (key, value) in members {
        add(UInt64(key.utf8.count))
        bytes += key.utf8
        bytes += value
    }
    return bytes
}

/// A value of text, or a list of texts.
func value(_ texts: [String], isList: Bool) -> [UInt8] {
    func little(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    var bytes = isList ? little(UInt32(9)) + little(UInt32(8)) + little(UInt64(texts.count)) : []
    if !isList { bytes = little(UInt32(8)) }
    for text in texts { bytes += little(UInt64(text.utf8.count)) + text.utf8 }
    return bytes
}

func ggufVocabulary(_ size: Int) -> [UInt8] {
    let bytes = (0...255).map { byte -> String in
        let digits = String(byte, radix: 16, uppercase: true)
        return "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
    }
    return gguf([
        ("general.architecture", value(["bitnet"], isList: false)),
        ("tokenizer.ggml.model", value(["gpt2"], isList: false)),
        ("tokenizer.ggml.pre", value(["llama-bpe"], isList: false)),
        ("tokenizer.ggml.tokens", value(bytes + (0..<size / 12).map { word($0) }, isList: true)),
        ("tokenizer.ggml.merges", value([], isList: true)),
    ])
}

// MARK: - Measuring

/// Runs a program without its output; the most memory that it had at one time, in bytes.
func peak(_ program: String, _ arguments: [String]) -> Int {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var pointers = ([program] + arguments).map { strdup($0) } + [nil]
    defer { pointers.forEach { free($0) } }
    var child = pid_t()
    guard posix_spawn(&child, program, &actions, nil, &pointers, environ) == 0 else {
        fatalError("\(program) cannot be run")
    }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(child, &status, 0, &usage) < 0 {}
    // Errors are expected, and ends by a signal are not.
    guard status & 0x7F == 0 else { fatalError("\(arguments) ended by signal \(status & 0x7F)") }
    return Int(usage.ru_maxrss) * 1024
}

let subjects =
    json.flatMap { name, content in
        [
            Subject(name: name, file: "model.safetensors", command: ["inspect"]) {
                header("{\"x\":\(content($0))}")
            },
            Subject(name: name, file: "config.json", command: ["inspect"]) {
                Array("{\"x\":\(content($0))}".utf8)
            },
            Subject(name: name, file: "tokenizer.json", command: ["tokenize", "hi", "--model"]) {
                Array("{\"x\":\(content($0))}".utf8)
            },
        ]
    } + [
        Subject(name: "tokens", file: "tokenizer.json", command: ["tokenize", "hi", "--model"]) {
            tokenizer($0) { "~\(word($0))" }
        },
        Subject(name: "foreign", file: "tokenizer.json", command: ["tokenize", "hi", "--model"]) {
            tokenizer($0) { " \(word($0))" }
        },
        Subject(name: "repeated", file: "tokenizer.json", command: ["tokenize", "hi", "--model"]) {
            tokenizer($0) { "~\(word($0 / 2))" }
        },
        Subject(name: "merges", file: "tokenizer.json", command: ["tokenize", "hi", "--model"]) {
            merged($0)
        },
        Subject(name: "pieces", file: "tokenizer.model", command: ["tokenize", "hi", "--model"]) {
            sentencePieces($0)
        },
        Subject(name: "ranks", file: "tokenizer.model", command: ["tokenize", "hi", "--model"]) {
            tiktoken($0)
        },
        Subject(name: "keys", file: "x.gguf", command: ["inspect"]) { size in
            gguf((0..<min(65_536, size / 16)).map { (word($0), [4, 0, 0, 0, 1, 0, 0, 0]) })
        },
        Subject(name: "texts", file: "x.gguf", command: ["inspect"]) { size in
            gguf([("x", value((0..<size / 8).map { _ in "" }, isList: true))])
        },
        Subject(name: "tokens", file: "x.gguf", command: ["tokenize", "hi", "--model"]) {
            ggufVocabulary($0)
        },
    ]

@main
enum Memory {
    static let factor = 8
    static let constant = 64_000_000

    static func main() throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 3 else { fatalError("memory BITNET FOLDER [MB]") }
        let (program, model) = (arguments[1], URL(fileURLWithPath: arguments[2]))
        let size = (arguments.count > 3 ? Int(arguments[3]) ?? 16 : 16) * 1_000_000
        let base = peak(program, ["inspect", model.path])
        print("file, kind            MB   peak MB   less \(base / 1_000_000) MB, in file sizes")
        var failures = 0
        for subject in subjects {
            let folder = FileManager.default.temporaryDirectory
                .appendingPathComponent("memory-\(UUID().uuidString)")
            defer { try? FileManager.default.removeItem(at: folder) }
            let isPart = !subject.file.hasSuffix(".gguf")
            if isPart {
                try FileManager.default.copyItem(at: model, to: folder)
                if subject.file == "tokenizer.model" {
                    try? FileManager.default.removeItem(
                        at: folder.appendingPathComponent("tokenizer.json"))
                }
            } else {
                try FileManager.default.createDirectory(
                    at: folder, withIntermediateDirectories: true)
            }
            let file = folder.appendingPathComponent(subject.file)
            try? FileManager.default.removeItem(at: file)
            let content = Data(subject.content(size))
            try content.write(to: file)
            let found = peak(program, subject.command + [isPart ? folder.path : file.path])
            let isFine = found - base <= factor * content.count + constant
            failures += isFine ? 0 : 1
            let name = "\(subject.file), \(subject.name)"
            let ratio = Double(found - base) / Double(content.count)
            print(
                name.padding(toLength: max(32, name.count), withPad: " ", startingAt: 0),
                String(
                    format: "%5.1f %8.1f %6.1f", Double(content.count) / 1e6, Double(found) / 1e6,
                    ratio),
                isFine ? "" : "too much")
        }
        guard failures == 0 else { exit(1) }
    }
}
