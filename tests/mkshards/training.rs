//! Training from shards.

use crate::common::{Folder, clicks, shared};

#[test]
fn training_from_shards_gives_the_bits_of_training_from_the_table() {
    let folder = Folder::new();
    folder.table("t.csv", &clicks(30_000, 9));
    folder.table_in_pieces("t.parquet", &clicks(30_000, 9), 5000);
    for (name, options) in
        [("t.csv", ""), ("t.parquet", ""), ("t.csv", "--format parquet"), ("t.csv", "--compress lz4")]
    {
        folder.mkshards(&format!("{name} -o shards --overwrite --shard-size 256KB {options}"));
        for target in ["click", "price", "city"] {
            let target = format!("--target {target} --shuffle none --threads 2 --summary - --quiet");
            let target = match target.contains("city") {
                true => target.replace("--target city", "--target click --ignore city --weight weight"),
                false => target,
            };
            let direct = folder.run(&format!("train {name} {target} -o a.model"));
            let shards = folder.run(&format!("train shards {target} -o b.model"));
            assert_eq!(direct.output.status.code(), shards.output.status.code());
            if !direct.output.status.success() {
                continue; // a target with gaps
            }
            let model = |name: &str| std::fs::read(folder.path(name)).unwrap();
            assert!(model("a.model") == model("b.model"), "{name} {options} {target}");
        }
    }
}

#[test]
fn planning_from_shards_needs_no_second_look_and_gives_the_same_plan() {
    let folder = Folder::new();
    // More rows than planning looks at, so that a sample of other rows would give another plan.
    folder.table("t.csv", &clicks(700_000, 2));
    folder.mkshards("t.csv -o shards --shard-size 4MB");
    let plan = |input: &str| folder.ok(&format!("plan {input} --target click --json")).out();
    assert_eq!(plan("t.csv"), plan("shards"));
    // A part of the shards is another table.
    let some = plan("shards/part-00001.arrow");
    assert_ne!(some, plan("shards"));
    // What the sample was not looked at for is looked at now.
    folder.ok("plan shards --target click --categorical age");
}

#[test]
fn real_tables_train_from_shards_as_they_do_directly() {
    let folder = Folder::new();
    for (name, target) in [
        ("elec/train.csv", "class"),
        ("bike/train.csv", "cnt"),
        ("diamonds/train.csv", "price"),
        ("fertility/train.parquet", "morekids"),
        ("w8a/train.libsvm", "label"),
    ] {
        let Some(path) = shared(name) else { continue };
        let path = path.display();
        folder.mkshards(&format!("{path} -o shards --overwrite"));
        for (input, model) in [(path.to_string(), "a.model"), ("shards".to_string(), "b.model")] {
            folder.ok(&format!("train {input} --target {target} --shuffle none --quiet -o {model}"));
        }
        let model = |name: &str| std::fs::read(folder.path(name)).unwrap();
        assert!(model("a.model") == model("b.model"), "{name}");
    }
}
