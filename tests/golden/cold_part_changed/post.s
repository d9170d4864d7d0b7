# Only the unlikely part differs: the function as a whole is replaced.
	.section .text.work,"ax",@progbits
	.globl	work
	.type	work, @function
work:
	.cfi_startproc
	testl	%edi, %edi
	js	work.cold
	leal	1(%rdi), %eax
	ret
	.cfi_endproc
	.size	work, .-work

	.section .text.unlikely.work,"ax",@progbits
	.type	work.cold, @function
work.cold:
	.cfi_startproc
	movl	$-22, %eax
	ret
	.cfi_endproc
	.size	work.cold, .-work.cold
