import BitNetTerminal
import TestSupport
import Testing

@Suite("Line editor")
struct LineEditorTests {
    /// What is left of the bytes that somebody types, with the cursor as a bar, and what they ask for.
    private func typed(
        _ bytes: String, _ editor: inout LineEditor
    ) -> (text: String, events: [LineEditor.Event]) {
        var decoder = KeyDecoder()
        let events = decoder.keys(bytes.utf8).compactMap { editor.apply($0) }
        let text = editor.text
        return (String(text[..<editor.cursor]) + "|" + String(text[editor.cursor...]), events)
    }

    @Test(
        "keys edit the text",
        arguments: [
            ("abc", "abc|"), ("abc\u{1B}[D\u{1B}[DX", "aX|bc"), ("abc\u{1B}OD\u{7F}", "a|c"),
            ("abc\u{1}X", "X|abc"), ("abc\u{1B}[HX\u{1B}[FY", "XabcY|"),
            ("abc\u{1B}[1~X\u{1B}[4~Y", "XabcY|"), ("abc\u{1}\u{1B}[3~", "|bc"),
            ("abc\u{1}\u{4}", "|bc"), ("abc\u{1}\u{5}d", "abcd|"), ("ab\u{2}\u{2}\u{6}X", "aX|b"),
            ("one two  \u{17}", "one |"), ("a-b c.d\u{17}", "a-b |"),
            ("a b\u{17}\u{17}\u{17}", "|"),
            ("one two\u{15}", "|"), ("one two\u{1B}b\u{15}", "|two"),
            ("one two\u{1B}b\u{B}", "one |"),
            ("one two\u{17}\u{1}\u{19} ", "two |one "), ("one-two\u{1B}[1;5DX", "one-X|two"),
            ("one two\u{1}\u{1B}f\u{1B}d", "one|"), ("one\u{1B}\u{7F}x", "x|"),
            ("é\u{7F}", "|"), ("e\u{301}x\u{7F}\u{7F}", "|"), ("日本\u{1B}[DX", "日X|本"),
            ("👩‍👩‍👧a\u{1B}[D\u{7F}", "|a"), ("a\u{1B}\rb", "a\nb|"), ("a\u{1B}\rb\u{1B}[A", "a|\nb"),
            ("a\u{1B}\rbc\u{1B}[A\u{1B}[BX", "a\nbX|c"), ("a\u{1B}\rb\u{1}X", "a\nX|b"),
            ("a\u{1B}\rb\u{1B}[A\u{B}", "a|b"),
            ("\u{1B}[200~a\rb\u{1B}[Ac\u{1B}[201~d", "a\nb\u{1B}[Acd|"),
            ("\u{1B}[200~x\r\ny\u{3}\u{1B}[201~", "x\ny\u{3}|"), ("\u{1B}[99~\u{1B}[?1;2ca", "a|"),
            ("\u{1B}\u{1B}[D", "|"), ("a\u{1B}zb", "ab|"), ("a\u{1B}éb", "ab|"),
            ("\u{0}\u{1F}a", "a|"),
            ("a\u{1B}[200~\u{1B}[201~b", "ab|"), ("abc\u{1B}[1;2D", "ab|c"),
        ])
    func edits(_ bytes: String, _ expected: String) {
        var editor = LineEditor()
        let (text, events) = typed(bytes, &editor)
        #expect(text == expected)
        #expect(events.isEmpty)
    }

    @Test("Enter gives the text, Ctrl-C throws it away and ends where there is none, Ctrl-D too")
    func events() {
        var editor = LineEditor()
        #expect(typed("hello\r", &editor).events == [.submitted("hello")])
        #expect(typed("a\n", &editor).events == [.submitted("a")])
        let discarded = typed("abc\u{3}", &editor)
        #expect(discarded.text == "|" && discarded.events == [.discarded])
        #expect(typed("\u{3}", &editor).events == [.interrupted])
        #expect(typed("a\u{4}", &editor).text == "a|")
        #expect(typed("\u{7F}\u{4}", &editor).events == [.ended])
        #expect(typed("x\u{1A}\u{C}", &editor).events == [.suspended, .screenCleared])
        #expect(typed("\r\r", &editor).events == [.submitted("x"), .submitted("")])
        #expect(editor.history == ["hello", "a", "x"])
    }

    @Test("the history is gone through, a text in it may change, and the draft comes back")
    func history() {
        var editor = LineEditor()
        _ = typed("one\rtwo\rtwo\r  \r", &editor)
        #expect(editor.history == ["one", "two"])
        #expect(typed("draft\u{1B}[A", &editor).text == "two|")
        #expect(typed("\u{10}", &editor).text == "one|")
        #expect(typed("\u{1B}[A", &editor).text == "one|")
        #expect(typed("!", &editor).text == "one!|")
        #expect(typed("\u{1B}[B", &editor).text == "two|")
        #expect(typed("\u{E}\u{E}", &editor).text == "draft|")
        #expect(typed("\u{1B}[A\u{1B}[A\r", &editor).events == [.submitted("one")])
        #expect(editor.history == ["one", "two", "one"])
        #expect(typed("a\u{1B}\rb\r", &editor).events == [.submitted("a\nb")])
        #expect(typed("\u{1B}[A\u{1B}[A\u{1B}[A", &editor).text == "one|")
    }

    @Test("bytes may come in any parts")
    func parts() {
        let bytes = Array("é日👩‍👧\u{1B}[D\u{1B}[1;5C\u{1B}[200~a\u{1B}[\rb\u{1B}[201~\u{1B}\rx\r".utf8)
        var whole = KeyDecoder()
        let expected = whole.keys(bytes)
        #expect(expected.contains(.paste("a\u{1B}[\nb")) && expected.last == .enter)
        for split in 1..<bytes.count {
            var decoder = KeyDecoder()
            var keys = decoder.keys(bytes[..<split]) + decoder.keys(bytes[split...])
            // Texts that follow each other are one.
            keys = keys.reduce(into: []) { all, key in
                if case .text(let new) = key, case .text(let old)? = all.last {
                    all[all.count - 1] = .text(old + new)
                } else {
                    all.append(key)
                }
            }
            #expect(keys == expected, "\(split)")
        }
        var decoder = KeyDecoder()
        #expect(decoder.keys([0x1B]) == [] && decoder.endsInEscape)
        decoder.dropRest()
        #expect(decoder.keys([0x44]) == [.text("D")] && !decoder.endsInEscape)
        #expect(decoder.keys([0xFF, 0x41]) == [.text("\u{FFFD}A")])
        var odd = KeyDecoder()
        #expect(odd.keys([0xC3, 0x41]) == [.text("\u{FFFD}A")])
    }

    @Test("whatever comes, the cursor stays in the text and a terminal gets no key back")
    func noise() {
        var random = SplitMix64(seed: 7)
        let pieces: [[UInt8]] = [
            [0x1B], [0x5B], Array("\u{1B}[200~".utf8), Array("\u{1B}[201~".utf8),
            Array("日".utf8), Array("\u{301}".utf8), Array("\u{1B}[A".utf8), [0x0D], [0x17], [0x0B],
        ]
        for _ in 0..<200 {
            var (editor, decoder, drawing) = (LineEditor(), KeyDecoder(), LineDrawing())
            for _ in 0..<60 {
                let bytes =
                    Bool.random(using: &random)
                    ? pieces.randomElement(using: &random) ?? []
                    : [UInt8.random(in: 0...255, using: &random)]
                for key in decoder.keys(bytes) { _ = editor.apply(key) }
                #expect((0...editor.text.count).contains(editor.cursor))
                let layout = LineLayout(
                    editor, prompt: "> ", continuation: "... ", columns: 10
                ) { $0.isASCII && $0.asciiValue ?? 0 < 32 ? "?" : String($0) }
                #expect(layout.cursorColumn < 10 && layout.rows.indices.contains(layout.cursorRow))
                let output = drawing.update(layout, height: 4)
                #expect(output.count { $0 == "\r\n" } < 4)
            }
        }
    }

    @Test("wide characters, long lines and several lines stand where the cursor is")
    func layout() {
        func layout(_ bytes: String, columns: Int = 10) -> LineLayout {
            var editor = LineEditor()
            _ = typed(bytes, &editor)
            return LineLayout(editor, prompt: "> ", continuation: "... ", columns: columns) {
                $0 == "\u{3}" ? "␃" : String($0)
            }
        }
        let wide = layout("日本x\u{1B}[D")
        #expect(wide.rows == ["> 日本x"] && wide.cursorColumn == 6 && wide.cursorRow == 0)
        let long = layout("abcdefghij")
        #expect(long.rows == ["> abcdefg", "hij"] && long.cursorColumn == 3 && long.cursorRow == 1)
        // A wide character does not fit into the last column.
        #expect(layout("abcdef日").rows == ["> abcdef", "日"])
        let lines = layout("a\u{1B}\rb\u{1B}[A")
        #expect(lines.rows == ["> a", "... b"] && lines.cursorRow == 0 && lines.cursorColumn == 3)
        #expect(layout("\u{1B}[200~\u{3}\u{1B}[201~").rows == ["> ␃"])
        #expect(layout("abc", columns: 1).rows.joined() == "> abc")
        let tall = layout("\u{1B}[200~1\r2\r3\r4\r5\u{1B}[201~")
        #expect(tall.window(height: 3).rows == ["... 3", "... 4", "... 5"])
        #expect(tall.window(height: 3).cursorRow == 2)
        #expect(layout("e\u{301}👍🏽🇩🇪한\u{200B}").cursorColumn == 2 + 1 + 2 + 2 + 2)
    }

    @Test("a drawing begins where the last one did")
    func drawing() {
        var drawing = LineDrawing()
        var editor = LineEditor()
        _ = typed("a\u{1B}\rb", &editor)
        func layout() -> LineLayout {
            LineLayout(editor, prompt: "> ", continuation: ". ", columns: 80) { String($0) }
        }
        #expect(drawing.update(layout(), height: 24) == "\r\u{1B}[J> a\r\n. b\u{1B}[4G")
        _ = typed("\u{1B}[A", &editor)
        #expect(
            drawing.update(layout(), height: 24)
                == "\u{1B}[1A\r\u{1B}[J> a\r\n. b\u{1B}[1A\u{1B}[4G")
        #expect(drawing.finish() == "\u{1B}[1B\r\n")
        #expect(drawing.update(layout(), height: 24).hasPrefix("\r\u{1B}[J"))
    }
}
