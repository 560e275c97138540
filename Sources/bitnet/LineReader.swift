import BitNetKit
import BitNetTerminal
import Foundation

/// Texts that somebody types at a terminal and edits meanwhile, with those before at hand.
struct LineReader {
    private var editor = LineEditor()
    private var decoder = KeyDecoder()
    /// Keys that came with the end of the text before.
    private var keys: ArraySlice<TerminalKey> = []

    /// Whether there is a terminal that can be drawn on.
    static var isPossible: Bool {
        let terminal = ProcessInfo.processInfo.environment["TERM"] ?? ""
        return Terminal.isInputTerminal && Terminal.isOutputTerminal
            && !terminal.isEmpty && terminal != "dumb"
    }

    /// The next text, of one line or more; nil at the end of the input. Ctrl-C ends the program where
    /// there is no text.
    mutating func readText(
        prompt: String, continuation: String
    ) throws(BitNetError) -> String? {
        guard RawTerminal.enter() else {
            throw .unreadable(path: "standard input", reason: Terminal.message(errno))
        }
        defer { RawTerminal.leave() }
        var drawing = LineDrawing()
        // Ctrl-D that came before the terminal was set has become a zero.
        var earlyBytes = RawTerminal.waitingBytes
        func draw(_ editor: LineEditor) throws(BitNetError) {
            let (columns, rows) = RawTerminal.size
            let layout = LineLayout(
                editor, prompt: prompt, continuation: continuation, columns: columns
            ) { Terminal.printable(String($0)) }
            try Terminal.writeColoured(drawing.update(layout, height: rows - 1))
        }
        while true {
            while let key = keys.popFirst() {
                // What is left on the screen is the whole text.
                if key == .enter { try draw(editor) }
                switch editor.apply(key) {
                case nil: break
                case .submitted(let text):
                    try Terminal.writeColoured(drawing.finish())
                    return text
                case .discarded: try Terminal.writeColoured("^C" + drawing.finish())
                case .interrupted:
                    try Terminal.writeColoured("^C" + drawing.finish())
                    RawTerminal.interrupt()
                case .ended:
                    try Terminal.writeColoured(drawing.finish())
                    return nil
                case .suspended:
                    try Terminal.writeColoured(drawing.finish())
                    guard RawTerminal.suspend() else { return nil }
                case .screenCleared: try Terminal.writeColoured(drawing.clearScreen())
                }
            }
            try draw(editor)
            guard let new = try readKeys(&earlyBytes) else {
                try Terminal.writeColoured(drawing.finish())
                return nil
            }
            keys = new[...]
        }
    }

    /// The next keys, none where a signal came; nil at the end of the input.
    private mutating func readKeys(_ earlyBytes: inout Int) throws(BitNetError) -> [TerminalKey]? {
        var request = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        // Whatever begins with an escape comes at once.
        if decoder.endsInEscape, poll(&request, 1, 50) == 0 { decoder.dropRest() }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        guard count > 0 else {
            switch count < 0 ? errno : EIO {
            case EIO: return nil
            case EINTR: return []
            case EAGAIN:
                poll(&request, 1, -1)
                return []
            default:
                throw .unreadable(path: "standard input", reason: Terminal.message(errno))
            }
        }
        let new = bytes.prefix(count).enumerated().map { index, byte in
            byte == 0 && index < earlyBytes ? 0x04 : byte
        }
        earlyBytes -= min(count, earlyBytes)
        return decoder.keys(new)
    }
}
