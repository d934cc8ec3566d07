//! Fewer weights for the same loss. With the default mini-batches of 32 rows half of the weights cost 1.5 to 3%: their
//! steps are coarser, so that more weights pass the threshold by chance.

use super::tables::W8A;

#[test]
fn ftrl_does_without_half_of_the_weights() {
    let Some((train, test)) = W8A.files() else { return };
    let run = |l1: &str| {
        let (metrics, trained) =
            W8A.run(&train, &test, &format!("--optimizer ftrl --batch-size 4 --l1 {l1}"));
        let model = &trained["model"];
        let share =
            model["non_zero"].as_f64().expect("a number") / model["weights"].as_f64().expect("a number");
        (metrics["log_loss"].as_f64().expect("a number"), share)
    };
    let ((dense, all), (sparse, share)) = (run("0"), run("9e-5"));
    println!("w8a: log loss {dense:.5} with {all:.2} of the weights, {sparse:.5} with {share:.2}");
    assert!(all > 0.9);
    assert!(share <= 0.5, "{share} of the weights");
    assert!(sparse <= dense * 1.01, "{sparse} with {share} of the weights, {dense} with all");
}
