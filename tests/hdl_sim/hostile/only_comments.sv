// class: breaks the tools
// tries: nothing but a comment
// owed: no_code
// naive: not run
// nothing
