// Keys of a GGUF source that say nothing about the graph: authors, licence, what other programs
// need. They are kept word for word.
extension Conversion {
    /// Appends the source's keys that `entries` does not have; returns what there is to say about
    /// those that are left out.
    func keepOtherKeys(in entries: inout [GGUFFile.Entry]) throws(BitNetError) -> [String] {
        guard case .gguf(let file) = checkpoint.metadata else { return [] }
        let source = Array("\(try file.requiredString("general.architecture")).".utf8)
        var places: [ExactString: Int] = [:]
        for (place, entry) in entries.enumerated() { places[ExactString(entry.key)] = place }
        var dropped: [String] = []
        for entry in file.metadata where !entry.key.hasPrefix("tokenizer.") {
            var kept = entry
            // Keys of the graph follow the architecture's name, which may be another one now.
            if entry.key.utf8.starts(with: source) {
                let rest = String(decoding: entry.key.utf8.dropFirst(source.count), as: UTF8.self)
                let key = "\(architectureName).\(rest)"
                if !key.utf8.elementsEqual(entry.key.utf8) { kept = .init(key, entry.value) }
            }
            if let place = places[ExactString(kept.key)] {
                // A name that is not UTF-8 keeps its bytes.
                if kept.key == "general.name", options.name == nil { entries[place] = entry }
            } else if entry.key.hasPrefix("split.")
                || kept.key != entry.key && file[kept.key] != nil
            {
                dropped.append(entry.key)
            } else {
                entries.append(kept)
            }
        }
        return dropped.isEmpty
            ? []
            : [
                "left out, for they are not true of the new file: "
                    + dropped.joined(separator: ", ")
            ]
    }
}
