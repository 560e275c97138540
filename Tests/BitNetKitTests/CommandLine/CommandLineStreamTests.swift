import Foundation
import TestSupport
import Testing

/// Runs `script` in a shell whose `$0` is `bitnet`, with `arguments` as `$1` and so on.
func shell(_ script: String, _ arguments: String...) throws -> CommandLineTests.Run {
    try CommandLineTests.run(
        URL(fileURLWithPath: "/bin/bash"),
        ["-c", script, bitnetExecutable?.path ?? "bitnet"] + arguments)
}

/// Standard streams and files that are not what a program expects.
@Suite(
    "Command line: odd streams",
    .enabled(if: bitnetExecutable != nil && FileManager.default.fileExists(atPath: "/bin/bash")))
struct CommandLineStreamTests {
    private let folder: TemporaryFolder
    private static let sample = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf"
    ).path

    init() throws { folder = try TemporaryFolder() }

    /// Commands with little to do; `$1` is the sample model.
    private static let commands = [
        "generate Hi --max-tokens 2", "generate Hi --max-tokens 2 --json",
        "logits --model \"$1\" --tokens 1", "tokenize --model \"$1\" x",
        "tokenize --model \"$1\" --decode [1]", "embed x", "--help", "help bench model",
        "bench matmul --rows 16 --columns 16 --zero-share 0.5",
        "bench head --rows 64 --columns 16 --states 1 --types f16",
        "bench sparsity --synthetic 64,96,1,1,1,32 --zero-share 0.5 --repetitions 1",
    ]

    @Test(
        "a standard output that takes nothing is one line that says so, and exit code 1",
        arguments: commands,
        [(">&-", "it is closed"), (">/dev/full", "No space left")])
    func output(_ command: String, _ odd: (String, String)) throws {
        #if os(Linux)
            let run = try shell("\"$0\" \(command) \(odd.0)", Self.sample)
            let lines = run.errorLines.filter { !$0.hasPrefix("***") }
            #expect(run.code == 1 && run.output == "")
            #expect(
                lines.last?.hasPrefix("error: standard output: cannot be written: \(odd.1)")
                    == true,
                "\(run.error)")
        #endif
    }

    @Test(
        "where nobody reads any more the program ends without a word, as others do",
        arguments: commands + [
            "convert \"$1\" -", "inspect \"$1\" --plot -", "chat <<<'Hi'",
        ])
    func reader(_ command: String) throws {
        #if os(Linux)
            // The pipe's reader has gone before anything is written.
            func run(_ signal: String) throws -> CommandLineTests.Run {
                try shell(
                    "{ sleep 0.3; env --\(signal)-signal=PIPE \"$0\" \(command); echo $? >&2; } | true",
                    Self.sample)
            }
            guard try run("default").error.contains("unrecognized") == false else { return }
            var lines = try run("default").errorLines.filter { !$0.hasPrefix("***") }
            #expect(lines.popLast() == "141")
            #expect(!lines.contains { $0.hasPrefix("error: ") }, "\(lines)")
            // Whoever ignores the signal wants to hear of it.
            lines = try run("ignore").errorLines
            #expect(lines.popLast() == "1")
            #expect(lines.last?.contains("cannot be written: Broken pipe") == true, "\(lines)")
        #endif
    }

    @Test("a byte order mark before a text is no part of it")
    func mark() throws {
        try folder.write("g", "\u{FEFF}root ::= \"x\"")
        try folder.write("l", "\u{FEFF}\"a cat\"\n\"\u{FEFF}a\"\n")
        let start = "cd \"$2\"; mark=$'\\xEF\\xBB\\xBF'; "
        let common = "generate -n 0 -q"
        for (script, expected) in [
            ("printf \"${mark}Hi\" | \"$0\" \(common)", "Hi\n"),
            ("printf \"Hi${mark}\" | \"$0\" \(common)", "Hi\u{FEFF}\n"),
            ("printf \"${mark}\" | \"$0\" \(common) -m \"$1\"", "\n"),
            ("(printf '\\xEF'; sleep 0.2; printf '\\xBB\\xBFHi') | \"$0\" \(common)", "Hi\n"),
            ("\"$0\" generate Hi -q --grammar g", "Hix\n"),
            ("\"$0\" tokenize --lines l | head -n 1", "[66,485]\n"),
            ("printf \"${mark}a cat\\n\" | \"$0\" embed | cut -c 1-15", "{\"text\":\"a cat\"\n"),
            ("printf \"${mark}/branch\\n\" | \"$0\" chat 2>&1", "(copy 1 of 1, 0 turns)\n"),
        ] {
            let run = try shell(start + script, Self.sample, folder.path)
            #expect(run.code == 0 && run.output == expected, "\(script): \(run)")
        }
    }

    @Test(
        "a closed standard input is one line that says so, and exit code 1",
        arguments: [
            "chat", "generate --model \"$1\"", "tokenize --model \"$1\"", "embed",
            "generate Hi --grammar -", "generate Hi --json-schema /dev/stdin",
            "tokenize --model \"$1\" --lines -", "convert - no/such.gguf",
        ])
    func input(_ command: String) throws {
        let run = try shell("\"$0\" \(command) <&-", Self.sample)
        #expect(run.code == 1 && run.output == "")
        #expect(run.error == "error: standard input: cannot be read: it is closed\n")
    }

    @Test("without standard error all goes on, and nothing is written into the next file")
    func error() throws {
        let target = folder.file("out.gguf")
        let run = try shell("\"$0\" convert \"$1\" \"$2\" <&- 2>&-", Self.sample, target)
        #expect(run.code == 0 && run.output.hasPrefix(target))
        let silent = try shell(
            "\"$0\" convert \"$1\" \"$2\" <&- >&- 2>&-", Self.sample, target + "2")
        #expect(silent.code == 1)
        let files = try [target, target + "2"].map {
            try Data(contentsOf: URL(fileURLWithPath: $0))
        }
        #expect(files[0] == files[1])
    }

    @Test("pipes are read wherever a text is")
    func pipes() throws {
        try folder.write("g", "root ::= \"x\"")
        try folder.write("s", "{\"const\": 5}")
        try folder.write("l", "\"a cat\"\n")
        let start = "cd \"$2\"; mkfifo pipe; "
        for (script, expected) in [
            ("\"$0\" generate Hi --grammar <(cat g)", "Hix\n"),
            ("cat g | \"$0\" generate Hi --grammar /dev/stdin", "Hix\n"),
            ("\"$0\" generate Hi --grammar /dev/fd/7 7<g", "Hix\n"),
            ("cat g >pipe & \"$0\" generate Hi --grammar pipe", "Hix\n"),
            ("\"$0\" generate Hi --json-schema <(cat s)", "Hi5\n"),
            ("\"$0\" generate Hi --json-schema - <s", "Hi5\n"),
            ("\"$0\" tokenize --model \"$1\" --lines <(cat l)", "[66,485]\n"),
            ("\"$0\" tokenize --model /dev/fd/7 'a cat' 7<\"$1\"", "[66,485]\n"),
        ] {
            let run = try shell(start + script, Self.sample, folder.path)
            #expect(run.code == 0 && run.output == expected, "\(script): \(run)")
            unlink(folder.file("pipe"))
        }
    }

    @Test("models, tokenizers and conversations come through pipes too")
    func modelPipes() throws {
        let start = "cd \"$2\"; "
        func output(_ script: String) throws -> String {
            let run = try shell(
                start + script, Self.sample, folder.path,
                Fixtures.url("reference/bitnet-untied/packed").path)
            #expect(run.code == 0, "\(script): \(run.error)")
            return run.output
        }
        for (piped, plain) in [
            ("generate Hi --temperature 0 --max-tokens 4 --model", "\"$1\""),
            ("tokenize 'a cat' --model", "\"$1\""),
            ("tokenize 'a cat' --model", "\"$3/tokenizer.json\""),
        ] {
            let expected = try output("\"$0\" \(piped) \(plain)")
            #expect(try output("\"$0\" \(piped) <(cat \(plain))") == expected)
            #expect(try output("cat \(plain) | \"$0\" \(piped) /dev/stdin") == expected)
        }
        let same = try output(
            "\"$0\" convert <(cat \"$1\") a.gguf >/dev/null && \"$0\" convert \"$1\" b.gguf >/dev/null "
                + "&& cmp a.gguf b.gguf && echo same")
        #expect(same == "same\n")
        for piped in ["- c.gguf <\"$1\" >&2", "- - <\"$1\" >c.gguf"] {
            let copy = try output("\"$0\" convert \(piped) && cmp b.gguf c.gguf && echo same")
            #expect(copy == "same\n")
        }
        let dash = try shell("\"$0\" generate Hi -m - <\"$1\"", Self.sample)
        #expect(dash.code == 1 && dash.error.contains("standard input is /dev/stdin here"))
        let chat = "\"$0\" chat --temperature 0 --max-tokens 3 2>/dev/null"
        let answer = try output(
            "printf 'A cat\\n/save s\\n' | \(chat) >/dev/null; echo ' ran' | \(chat) --restore s")
        #expect(!answer.isEmpty)
        #expect(try output("echo ' ran' | \(chat) --restore <(cat s)") == answer)
        let empty = try shell("\"$0\" generate Hi --model <(true)")
        #expect(empty.code == 1 && empty.error.contains("nothing came through this pipe"))
    }

    @Test("input that never ends is refused, as a model, a grammar, a prompt or a session")
    func endless() throws {
        for (script, words) in [
            ("yes | \"$0\" generate Hi --model /dev/stdin", "neither a GGUF"),
            ("\"$0\" generate Hi --model <(cat /dev/zero)", "neither a GGUF"),
            ("\"$0\" generate Hi --model <(cat \"$1\" /dev/zero)", "more comes through this pipe"),
            ("\"$0\" tokenize --model <(yes) x", "neither a GGUF"),
            ("\"$0\" chat --restore <(yes)", "is not a saved session"),
            ("\"$0\" generate Hi --grammar /dev/zero", "more than the 4194304 bytes"),
            ("\"$0\" generate Hi --json-schema <(yes)", "more than the 4194304 bytes"),
            (
                "yes | \"$0\" generate --model \"$1\"",
                "standard input: has more than the 67108864 bytes"
            ),
            ("\"$0\" chat </dev/zero", "line 1 has more than the 67108864 bytes"),
            (
                "(echo '\"\"\"'; yes $(printf %01000d 0)) | head -c 70000000 | \"$0\" chat",
                "message: it has more"
            ),
        ] {
            let run = try shell("ulimit -v 4000000; cd \"$2\"; " + script, Self.sample, folder.path)
            #expect(run.code == 1 && run.error.contains(words), "\(script): \(run)")
        }
        // Nobody meant to wait for a pipe that a model's folder names.
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            let run = try shell(
                """
                cd "$2"; cp -r "$3" m; rm m/\(name); mkfifo m/\(name)
                yes >m/\(name) & "$0" generate Hi --model m; code=$?
                kill $!; rm -r m; exit $code
                """, Self.sample, folder.path,
                Fixtures.url("reference/bitnet-untied/packed").path)
            #expect(run.error.contains("not a regular file"), "\(name): \(run)")
        }
    }

    @Test("what cannot be read is named in a sentence without numbers of other systems")
    func unreadable() throws {
        let start = "cd \"$2\"; mkdir folder; "
        for (script, words) in [
            ("generate Hi --grammar folder", "folder: cannot be read: it is a folder"),
            ("generate Hi --json-schema /", "/: cannot be read: it is a folder"),
            ("tokenize --model \"$1\" --lines folder", "folder: cannot be read: it is a folder"),
            ("generate Hi --grammar none", "none: no such file"),
            ("generate Hi --grammar ''", "'': no such file"),
            (
                "generate Hi --model /dev/null",
                "/dev/null: cannot be read: it is not a regular file"
            ),
            ("tokenize --model /dev/null x", "/dev/null: cannot be read: it is not a regular file"),
            ("chat --restore /dev/null", "/dev/null: cannot be read: it is not a regular file"),
            ("generate Hi --grammar <(printf '\\377')", "is not UTF-8"),
            ("tokenize --model \"$1\" $'a\\377'", "argument 4, 'a\u{FFFD}', is not UTF-8"),
            ("generate Hi --model $'\\351.gguf'", "argument 4, '\u{FFFD}.gguf', is not UTF-8"),
        ] {
            let run = try shell(start + "\"$0\" " + script, Self.sample, folder.path)
            #expect(run.code == 1 || run.code == 64)
            #expect(run.output == "" && run.errorLines.count == 1, "\(script): \(run)")
            #expect(
                run.error.hasPrefix("error: ") && run.error.contains(words), "\(script): \(run)")
            #expect(!run.error.contains("Cocoa"))
            try FileManager.default.removeItem(atPath: folder.file("folder"))
        }
    }

    @Test("a file size limit is an error of the write, and nothing is left")
    func sizeLimit() throws {
        let run = try shell(
            "ulimit -f 8; \"$0\" convert \"$1\" \"$2/o.gguf\"", Self.sample, folder.path)
        #expect(run.code == 1)
        #expect(run.error.contains("o.gguf: cannot be written: File too large"))
        #expect(try folder.names == [])
        let text = try shell(
            "ulimit -f 8; \"$0\" logits --model \"$1\" --tokens 1,2,3 --all-positions >\"$2/text\"",
            Self.sample, folder.path)
        #expect(text.code == 1)
        #expect(text.error == "error: standard output: cannot be written: File too large\n")
    }

    @Test("a full disk is an error, and the old file is as it was", .enabled(if: geteuid() == 0))
    func fullDisk() throws {
        let run = try shell(
            """
            mount -t tmpfs -o size=1m tmpfs "$2" || exit 77
            trap 'umount "$2"' EXIT
            echo old >"$2/old.gguf"
            "$0" convert "$1" "$2/old.gguf"; echo $?
            "$0" convert "$1" "$2/new.gguf"; echo $?
            cat "$2/old.gguf"; ls "$2"
            """, Self.sample, folder.path)
        // Not everybody who is root may mount.
        guard run.code != 77 else { return }
        #expect(run.output == "1\n1\nold\nold.gguf\n")
        #expect(run.errorLines.count { $0.contains("No space left") } == 2)
    }

    @Test("a conversion into standard output stands where it is, behind what is there")
    func standardOutput() throws {
        let run = try shell(
            """
            cd "$2"; "$0" convert "$1" plain.gguf >report
            { printf before; "$0" convert "$1" /dev/stdout; printf after; } >mixed 2>err
            { printf before; cat plain.gguf; printf after; } | cmp - mixed && echo same
            "$0" convert "$1" /dev/fd/1 2>>err | cmp - plain.gguf && echo same
            sed 's/^[^:]*//' report err | uniq | wc -l
            """, Self.sample, folder.path)
        #expect(run.output == "same\nsame\n1\n", "\(run)")
    }
}
