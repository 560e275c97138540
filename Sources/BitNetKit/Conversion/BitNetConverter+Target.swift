internal import Foundation

extension Conversion {
    /// Refuses a target that is one of several files that the source consists of: the others would
    /// be of no use without it. A model in one file may be converted onto itself.
    func checkTarget(_ path: String) throws(BitNetError) {
        let files = sourceFiles
        guard files.count > 1, files.contains(where: { areSameFile($0, path) }) else { return }
        throw .unwritable(
            path: path, reason: "it is a part of the model that is read; give another name")
    }

    /// Refuses to put a file in the source's place that holds less: it may be the only copy.
    func checkReplacement(of path: String, _ rounded: [String]) throws(BitNetError) {
        guard let first = rounded.first, !options.replacesSource,
            sourceFiles.contains(where: { areSameFile($0, path) })
        else { return }
        let others = rounded.count > 1 ? " and \(rounded.count - 1) more tensors" : ""
        throw .unwritable(
            path: path,
            reason: "it is the model that is read, and \(first.quoted)\(others) would be rounded; "
                + "give another name, or allow it (--replace-input)")
    }

    /// All files that may be read. GGUF files beside a folder's own are no part of it.
    private var sourceFiles: Set<String> {
        var files = Set(checkpoint.tensors.map(\.region.path))
        switch checkpoint.metadata {
        case .gguf(let file): files.insert(file.path)
        case .huggingFace(let folder):
            let names = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
            let own = (names ?? []).filter { !$0.hasSuffix(".gguf") }
            files.formUnion(own.map(ModelFolder(path: folder.path).join))
        }
        return files
    }
}
