import BitNetKit
import Foundation
import TestSupport
import Testing

/// Where commands write what options and arguments name: files, and standard output for `-`.
@Suite(
    "Command line: files to write",
    .enabled(if: bitnetExecutable != nil && FileManager.default.fileExists(atPath: "/bin/bash")))
struct CommandLineFileTests {
    private let folder: TemporaryFolder
    private static let sample = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf"
    ).path

    init() throws { folder = try TemporaryFolder() }

    /// Runs `script` in the folder; `$1` is the sample model.
    private func run(_ script: String) throws -> CommandLineTests.Run {
        try shell("cd \"$2\"; " + script, Self.sample, folder.path)
    }

    private static let matmul =
        "bench matmul --rows 16 --columns 16 --kernels 'scalar t2' --placement cache"

    @Test(
        "- is standard output, as /dev/stdout is: one document, and no file of that name",
        arguments: [
            ("inspect \"$1\" --plot", "<svg "), ("demo width --plot", "<svg "),
            ("\(matmul) --plot", "<svg "), ("verify \"$1\" --record", "{\n"),
            ("convert \"$1\"", "GGUF"),
        ], ["-", "/dev/stdout", "/dev/fd/1"])
    func standardOutput(_ command: (String, String), _ path: String) throws {
        let written = try run(
            "\"$0\" \(command.0) \(path) >out 2>err; echo $?; head -c 5 out; ls")
        #expect(written.output.hasPrefix("0\n\(command.1)"), "\(written)")
        #expect(written.output.hasSuffix("err\nout\n"))
        // What the command says otherwise is not lost.
        let said = try String(contentsOfFile: folder.file("err"), encoding: .utf8)
        #expect(said.contains(#/ternary|trits chosen|scalar|nothing wrong/#), "\(said)")
        // The same from a file, where nothing that was measured is in it.
        guard !command.0.hasPrefix("bench") else { return }
        let name = command.0.hasPrefix("convert") ? "o.gguf" : "o"
        let plain = try run("\"$0\" \(command.0) \(name) >report && cmp \(name) out && echo same")
        #expect(plain.output == "same\n", "\(plain)")
    }

    @Test(
        "two documents for standard output are refused, before anything is done",
        arguments: [
            "inspect \"$1\" --plot", "demo width --plot", "\(matmul) --plot",
            "verify \"$1\" --record",
            "convert \"$1\"",
        ], ["-", "/dev/stdout"])
    func twoDocuments(_ command: String, _ path: String) throws {
        let refused = try run("\"$0\" \(command) \(path) --json")
        #expect(refused.code == 64 && refused.output.isEmpty)
        #expect(refused.error.contains("--json would both write to standard output"))
        let apart = try run("\"$0\" \(command) file --json >out 2>err && head -c 1 file out >x")
        #expect(apart.code == 0, "\(apart)")
    }

    @Test(
        "what cannot be written is found before the work",
        arguments: ["inspect \"$1\" --plot", "\(matmul) --plot", "verify \"$1\" --record"])
    func before(_ command: String) throws {
        try folder.write("notes", "not to be lost")
        for (path, words) in [
            ("no/such", "does not exist"), (".", "folder"), ("notes", "it is there and no "),
            ("''", "it is no name"), ("x/", "names a folder"),
        ] {
            let refused = try run("\"$0\" \(command) \(path)")
            #expect(refused.code == 1 && refused.output.isEmpty, "\(path): \(refused)")
            #expect(refused.error.contains(words), "\(path): \(refused)")
        }
        #expect(try run("\"$0\" \(command) - >&-").error.contains("it is closed"))
        #expect(try run("cat notes; ls").output == "not to be lostnotes\n")
    }

    @Test("a name that says another kind of file is refused")
    func names() throws {
        for command in [
            "inspect \"$1\" --plot p", "demo width --plot a.b", "\(Self.matmul) --plot p",
        ] {
            for ending in ["png", "PDF", "jpeg"] {
                let refused = try run("\"$0\" \(command).\(ending)")
                #expect(refused.code == 64 && refused.output.isEmpty)
                #expect(refused.error.contains("--plot writes SVG"), "\(refused.error)")
            }
        }
        let model = try run("\"$0\" convert \"$1\" model.safetensors")
        #expect(model.code == 64 && model.error.contains("convert writes GGUF"))
        #expect(try folder.names == [])
        #expect(try run("\"$0\" demo width --plot drawing && ls").output.hasSuffix("drawing\n"))
    }

    @Test("a program that was copied without its sample model says where it looked for it")
    func copied() throws {
        let copy = folder.file("bitnet")
        try FileManager.default.copyItem(atPath: try #require(bitnetExecutable).path, toPath: copy)
        for command in ["generate Hi", "tokenize Hi", "chat", "embed Hi", "bench model"] {
            let alone = try run("./bitnet \(command) </dev/null")
            let lines = alone.errorLines.filter { !$0.hasPrefix("***") && $0.hasPrefix("error: ") }
            #expect(alone.code == 1 && alone.output.isEmpty && lines.count == 1, "\(alone)")
            for words in [
                "the sample model's stories.gguf", "BitNetKit_BitNetSampleModel.resources",
                folder.path, "-m",
            ] {
                #expect(alone.error.contains(words), "\(alone.error)")
            }
        }
        #expect(try run("./bitnet generate Hi -n 0 -q -m \"$1\"").output == "Hi\n")
        let moved = try run(
            "mkdir BitNetKit_BitNetSampleModel.resources; "
                + "cp \"$1\" BitNetKit_BitNetSampleModel.resources; ./bitnet generate Hi -n 0 -q")
        #expect(moved.output == "Hi\n", "\(moved)")
    }
}
